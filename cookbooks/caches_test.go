package cookbooks_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// say sends lines to a server of a plain protocol, and a last one that makes it
// hang up, and returns all that it answers.
func say(t *testing.T, address string, lines ...string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, strings.Join(append(lines, "quit"), "\r\n")+"\r\n")
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	return string(answer)
}

func TestCachesOnMachines(t *testing.T) {
	y := newYard(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	y.layer(models.Layer{Shortname: "memcached", Name: "Cache", Type: models.LayerMemcached, Attributes: map[string]string{"MemcachedMemory": "64"}})
	y.layer(models.Layer{Shortname: "redis", Name: "Redis", Type: models.LayerMemcached, Engine: models.EngineRedis})
	y.machine("cache1", "memcached")
	y.machine("redis1", "redis")
	y.private = map[string]any{"redis_password": "0123456789abcdef"}
	y.start(t, ctx)
	y.dry = true
	y.everywhere(t, func(id string) { y.do(t, ctx, id, models.CommandSetup) })
	y.dry = false
	y.everywhere(t, func(id string) {
		y.do(t, ctx, id, models.CommandSetup)
		if out, changed := y.do(t, ctx, id, models.CommandSetup); changed != "0" {
			t.Errorf("%s: a run without news changed something:\n%s", id, out)
		}
		if out := y.bash(t, ctx, id, `grep -hE ': 0+:(2BCB|18EB) ' /proc/net/tcp`); out != "" {
			t.Errorf("%s listens on all addresses: %s", id, out)
		}
	})
	memcached := y.address("cache1") + ":11211"
	out := say(t, memcached, "stats settings", "set tea 0 0 5", "green", "get tea")
	for _, want := range []string{"STAT maxbytes 67108864\r\n", "STAT maxconns 4096\r\n", "STAT udpport 0\r\n", "STORED\r\n", "\r\ngreen\r\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("memcached does not say %q:\n%s", want, out)
		}
	}

	redis := y.address("redis1") + ":6379"
	if out := say(t, redis, "GET tea"); !strings.HasPrefix(out, "-NOAUTH ") {
		t.Errorf("redis answers strangers %q", out)
	}
	if out := say(t, redis, "AUTH 0123456789abcdef", "SET tea green", "CONFIG GET maxmemory"); !strings.HasPrefix(out, "+OK\r\n+OK\r\n") || !strings.Contains(out, "67108864") {
		t.Errorf("redis answers %q", out)
	}
	y.everywhere(t, func(id string) { y.do(t, ctx, id, models.CommandShutdown) })
	y.restart(t, ctx, "redis1")
	y.do(t, ctx, "redis1", models.CommandSetup)
	if out := say(t, redis, "AUTH 0123456789abcdef", "GET tea"); !strings.Contains(out, "green") {
		t.Errorf("after a stop and a start redis answers %q", out)
	}
}
