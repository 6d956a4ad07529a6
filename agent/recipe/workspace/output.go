package workspace

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"opsyard/agent/recipe"
)

// stream puts what processes print and which steps they report into one order.
// Output comes through a pipe and steps through a socket, so a step begins or
// ends only after the pipe has been emptied: what its process wrote before it
// spoke on the socket is then in the log.
type stream struct {
	mu   sync.Mutex
	out  recipe.Reporter
	pipe syscall.RawConn // of the recipe that runs, or nil
	buf  [32 << 10]byte
}

// Begin implements steps.Beginner.
func (s *stream) Begin(kind, name string) func(recipe.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain()
	end := s.out.Begin(kind, name)
	return func(r recipe.Result) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drain()
		end(r)
	}
}

// note writes a line of the runner's own.
func (s *stream) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drain()
	_, _ = s.out.Write([]byte(line + "\n"))
}

// follow hands on all output of the pipe until its end or its deadline, and
// then says so on copied.
func (s *stream) follow(r *os.File, copied chan<- error) error {
	pipe, err := r.SyscallConn()
	if err != nil {
		return err
	}
	s.use(pipe)
	go func() {
		err := s.copy(pipe)
		s.use(nil)
		copied <- err
	}()
	return nil
}

func (s *stream) copy(pipe syscall.RawConn) error {
	for {
		again := false
		err := pipe.Read(func(fd uintptr) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			again = s.move(int(fd))
			return again || s.pipe == nil
		})
		if err != nil || !again {
			return err
		}
	}
}

func (s *stream) use(pipe syscall.RawConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipe = pipe
}

// drain moves what is in the pipe now.
func (s *stream) drain() {
	if s.pipe == nil {
		return
	}
	_ = s.pipe.Control(func(fd uintptr) {
		for s.move(int(fd)) {
		}
	})
}

// move moves one piece. It says no when there is nothing, for now or for good;
// at the end of the pipe it forgets it.
func (s *stream) move(fd int) bool {
	for {
		n, err := unix.Read(fd, s.buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n > 0 {
			_, _ = s.out.Write(s.buf[:n])
			return true
		}
		if !errors.Is(err, unix.EAGAIN) {
			s.pipe = nil
		}
		return false
	}
}

// newPipe makes a pipe whose read end can be waited for and whose write end
// blocks, as the programs that inherit it expect.
func newPipe() (r, w *os.File, err error) {
	var fds [2]int
	syscall.ForkLock.RLock() // no program may be started between the two calls
	if err = unix.Pipe(fds[:]); err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	w = os.NewFile(uintptr(fds[1]), "output")
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), w.Close())
	}
	return os.NewFile(uintptr(fds[0]), "output"), w, nil
}
