package notify

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"opsyard/models"
)

func TestPermitted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		address       string
		always, leave bool // without and with the operator's leave
	}{
		{"93.184.216.34", true, true},
		{"2606:2800:220:1:248:1893:25c8:1946", true, true},
		{"::ffff:93.184.216.34", true, true},
		{"127.0.0.1", false, true},
		{"127.8.9.10", false, true},
		{"::1", false, true},
		{"::ffff:127.0.0.1", false, true},
		{"10.1.2.3", false, true},
		{"172.31.255.255", false, true},
		{"172.32.0.1", true, true},
		{"192.168.1.1", false, true},
		{"100.64.0.1", false, true},
		{"fd12:3456::1", false, true},
		{"64:ff9b::7f00:1", false, true}, // 127.0.0.1 behind NAT64
		{"2002:7f00:1::", false, true},   // and in 6to4
		{"::127.0.0.1", false, true},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"fe80::1%eth0", false, false},
		{"fd00:ec2::254", false, false},
		{"100.100.100.200", false, false},
		{"192.0.0.192", false, false},
		{"168.63.129.16", false, false},
		{"168.63.129.17", true, true},
		{"::ffff:168.63.129.16", false, false},
		{"fd20:ce::254", false, false},
		{"64:ff9b::169.254.169.254", false, false},
		{"64:ff9b::168.63.129.16", false, false},
		{"64:ff9b:1:a9fe:a9:fe00::", false, false},      // a prefix of 48 bits
		{"64:ff9b:1:12a9:fe:a9fe::", false, false},      // of 56
		{"64:ff9b:1:1234:a9:fea9:fe00::", false, false}, // of 64
		{"64:ff9b:1::169.254.169.254", false, false},    // of 96
		{"64:ff9b:1::10.0.0.1", false, true},
		{"2002:a9fe:a9fe::1", false, false},
		{"2002:a9fe:a9fe:1:2:3:4:5", false, false},
		{"2002:0a00:0001::1", false, true},
		{"2001:0:5ef5:79fb:0:1234:5601:5601", false, false}, // 169.254.169.254 under Teredo's mask
		{"2001:0:5ef5:79fb:0:1234:f5ff:fffe", false, true},
		{"::169.254.169.254", false, false},
		{"::ffff:0:169.254.169.254", false, false},
		{"::ffff:0:10.0.0.1", false, true},
		{"0.0.0.0", false, false},
		{"::", false, false},
		{"224.0.0.1", false, false},
		{"255.255.255.255", false, false},
		{"ff02::1", false, false},
	} {
		ip := netip.MustParseAddr(test.address)
		if got := permitted(ip, false); got != test.always {
			t.Errorf("%s: permitted %v, want %v", test.address, got, test.always)
		}
		if got := permitted(ip, true); got != test.leave {
			t.Errorf("%s with leave: permitted %v, want %v", test.address, got, test.leave)
		}
	}
}

func TestNobodyInsideIsCalled(t *testing.T) {
	t.Parallel()
	r := receive(t, nil)
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	s := sender(t, func(c *Config) { c.AllowInternal = false })
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "127.1", "0x7f000001"} {
		for _, kind := range []models.NotificationChannelKind{models.ChannelWebhook, models.ChannelSlack} {
			c := webhookTo("http://" + host + port)
			c.Kind = kind
			o := s.Send(t.Context(), c, []Message{message("x")})[0]
			equal(t, o.Delivered, false)
		}
	}
	o := s.Send(t.Context(), webhookTo(r.URL), []Message{message("x")})[0]
	equal(t, o.Answer, "The address 127.0.0.1 is inside this server's network, where webhooks may not go.")
	bodies, _ := r.got()
	equal(t, len(bodies), 0)
}

// The metadata service of a cloud is not called even with leave.
func TestMetadataIsNeverCalled(t *testing.T) {
	t.Parallel()
	o := sender(t).Send(t.Context(), webhookTo("http://169.254.169.254/latest/api/token"), []Message{message("x")})[0]
	equal(t, o.Answer, "The address 169.254.169.254 is inside this server's network, where webhooks may not go.")
	for _, host := range []string{"169.254.169.254", "168.63.129.16", "[fd20:ce::254]", "[64:ff9b::169.254.169.254]"} {
		err := sender(t).CheckURL("http://" + host + "/latest/api/token")
		if err == nil || !strings.Contains(err.Error(), "webhooks never go to") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A name that stands for the internet when it is looked at, and for this host
// when it is connected to.
func TestNamesThatChange(t *testing.T) {
	t.Parallel()
	r := receive(t, nil)
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	resolver, asked := lies(t)
	s := sender(t, func(c *Config) { c.AllowInternal, c.Resolver = false, resolver })
	url := "http://rebind.example" + port
	if err := s.CheckURL(url); err != nil {
		t.Fatal(err)
	}
	addresses, err := resolver.LookupNetIP(t.Context(), "ip4", "rebind.example")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, addresses[0].Unmap().String(), "93.184.216.34") // what a check beforehand sees
	for range 3 {
		o := s.Send(t.Context(), webhookTo(url), []Message{message("x")})[0]
		equal(t, o.Answer, "The address 127.0.0.1 is inside this server's network, where webhooks may not go.")
	}
	if asked.Load() < 4 {
		t.Errorf("the name was looked up %d times", asked.Load())
	}
	bodies, _ := r.got()
	equal(t, len(bodies), 0)
	// With leave the same name leads there, so it was the guard that held.
	o := sender(t, func(c *Config) { c.Resolver = resolver }).Send(t.Context(), webhookTo(url), []Message{message("x")})[0]
	equal(t, o.Delivered, true)
}

// lies is a name server that gives an address of the internet to who asks
// first, and 127.0.0.1 to all others.
func lies(t *testing.T) (*net.Resolver, *atomic.Int32) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(lie(query[:n], &asked), from)
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	var dialer net.Dialer
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}, &asked
}

// lie answers one query: questions of type A with an address, all others with
// nothing.
func lie(query []byte, asked *atomic.Int32) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	answer := append([]byte(nil), query[:end]...)
	answer[2], answer[3] = 0x81, 0x80
	clear(answer[6:12])
	if binary.BigEndian.Uint16(query[end-4:]) != 1 {
		return answer
	}
	address := []byte{127, 0, 0, 1}
	if asked.Add(1) == 1 {
		address = []byte{93, 184, 216, 34}
	}
	answer[7] = 1
	answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(answer, address...)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	inside := receive(t, nil)
	r := receive(t, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, inside.URL, http.StatusTemporaryRedirect)
	})
	o := sender(t).Send(t.Context(), webhookTo(r.URL), []Message{message("x")})[0]
	equal(t, o, Outcome{Code: 307, Answer: "The receiver redirects to another address, which is not followed: enter that one."})
	bodies, _ := inside.got()
	equal(t, len(bodies), 0)
}

// A receiver that never answers, and ones that never end, cost a bounded time
// and little memory.
func TestReceiversThatHold(t *testing.T) {
	t.Parallel()
	endless := func(w http.ResponseWriter, q *http.Request) {
		part := []byte(strings.Repeat("x", 64<<10))
		for q.Context().Err() == nil {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}
	slow := func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_ = http.NewResponseController(w).Flush()
		<-q.Context().Done()
	}
	const long = 8 * time.Second // so that a busy machine does not take the place of the bound
	for _, test := range []struct {
		name      string
		answer    http.HandlerFunc
		within    time.Duration
		delivered bool
		says      string
	}{
		{"Silent", func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }, 300 * time.Millisecond, false, "There was no answer within 300ms."},
		{"SlowBody", slow, 300 * time.Millisecond, false, "There was no answer within 300ms."},
		{"EndlessBody", endless, long, true, strings.Repeat("x", answerRunes) + "…"},
		{"EndlessHead", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Much", strings.Repeat("x", 2*headerBytes))
		}, long, false, "The receiver could not be reached: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, test.answer)
			began := time.Now()
			s := sender(t, func(c *Config) { c.Timeout = test.within })
			o := s.Send(t.Context(), webhookTo(r.URL), []Message{message("x")})[0]
			equal(t, o.Delivered, test.delivered)
			holds(t, o.Answer, test.says)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// What went wrong does not tell the address: a chat's is as good as a password.
func TestReasonsKeepTheAddress(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	resolver, _ := lies(t)
	resolver.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	for _, url := range []string{"http://" + address + "/canary", "https://user:canary@" + address, "http://canary.example/canary"} {
		s := sender(t, func(c *Config) { c.Resolver = resolver })
		o := s.Send(t.Context(), &models.NotificationChannel{Kind: models.ChannelSlack, URL: url}, []Message{message("x")})[0]
		equal(t, o.Delivered, false)
		lacks(t, o.Answer, "/canary")
		lacks(t, o.Answer, "user")
		if o.Answer == "" {
			t.Error("no reason is given")
		}
	}
}

func TestStoppedMeanwhile(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := receive(t, func(_ http.ResponseWriter, q *http.Request) { cancel(); <-q.Context().Done() })
	o := sender(t).Send(ctx, webhookTo(r.URL), []Message{message("x")})[0]
	equal(t, o, Outcome{Answer: "The server was stopped meanwhile."})
}
