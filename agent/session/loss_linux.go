package session

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// noticeLoss ends the connection when what was sent has not arrived at the other
// host for lossTimeout. Where that cannot be had, readTimeout notices as well.
func noticeLoss(conn net.Conn) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(lossTimeout.Milliseconds()))
	})
}
