package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"opsyard/models/store"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver "pgx"
)

const startLimit = 60 * time.Second

// server starts PostgreSQL once per test process.
var server = sync.OnceValues(startServer)

// PostgresURL is the address of a new, migrated database, which is dropped when
// the test ends. The test is skipped where PostgreSQL is not installed, unless
// the environment says OPSYARD_TEST_POSTGRES=required.
func PostgresURL(t testing.TB) string {
	t.Helper()
	dir, err := server()
	if errors.Is(err, errNoPostgres) && os.Getenv("OPSYARD_TEST_POSTGRES") != "required" {
		t.Skip(err)
	}
	check(t, err)
	name := unique("test")
	check(t, administer(dir, "CREATE DATABASE "+name+" TEMPLATE opsyard"))
	t.Cleanup(func() { check(t, administer(dir, "DROP DATABASE "+name+" WITH (FORCE)")) })
	return address(dir, name)
}

// HavePostgres tells whether PostgreSQL is installed and runs.
func HavePostgres() bool {
	_, err := server()
	return err == nil
}

func address(dir, database string) string {
	return "postgres://postgres@/" + database + "?host=" + url.QueryEscape(dir)
}

func administer(dir, statement string) error {
	db, err := sql.Open("pgx", address(dir, "postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// alive is the input of the supervisor. It is never closed on purpose; the
// variable keeps the collector from doing it.
var alive io.WriteCloser //nolint:unused // it is there to be held

var errNoPostgres = errors.New("PostgreSQL is not installed: initdb is neither in PATH nor in /usr/lib/postgresql")

// supervisor makes and runs the server until its input ends, which it does when
// the test process ends, however it does.
const supervisor = `
trap '' INT
"$BIN/initdb" -D "$DIR/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$DIR/log" 2>&1 || exit 1
"$BIN/postgres" -D "$DIR/data" -k "$DIR" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
	-c full_page_writes=off -c max_connections=500 -c shared_buffers=32MB >>"$DIR/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$DIR"/*
rmdir "$DIR"`

// startServer returns the directory of the server's socket; there is no port.
func startServer() (dir string, err error) {
	bin, err := postgresBinaries()
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "opsyard-pg-"); err != nil {
		return "", err
	}
	cmd := exec.Command("/bin/sh", "-c", supervisor)
	cmd.Dir = dir
	cmd.Env = []string{"BIN=" + bin, "DIR=" + dir, "PATH=/usr/bin:/bin", "TZ=Pacific/Chatham"}
	// A group of its own: an interrupt at the terminal is for the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := beOrdinary(cmd, dir); err != nil {
		return "", err
	}
	if alive, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	return dir, makeTemplate(dir)
}

func postgresBinaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errNoPostgres
	}
	return filepath.Dir(path), nil
}

// beOrdinary gives the server another user: PostgreSQL refuses to run as root.
func beOrdinary(cmd *exec.Cmd, dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return fmt.Errorf("find a user to run PostgreSQL as: %w", err)
		}
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(dir, uid, gid)
}

// makeTemplate waits for the server and migrates the database that all others
// are copies of.
func makeTemplate(dir string) error {
	deadline := time.Now().Add(startLimit)
	err := administer(dir, "CREATE DATABASE opsyard")
	for err != nil && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
		err = administer(dir, "CREATE DATABASE opsyard")
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return fmt.Errorf("PostgreSQL did not start: %w\n%s", err, log)
	}
	st, err := store.Open(context.Background(), store.Config{URL: address(dir, "opsyard"), Secrets: Secrets()})
	if err != nil {
		return err
	}
	return st.Close()
}
