package local

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"

	"opsyard/engine/compute"
)

func TestUsableSubnet(t *testing.T) {
	t.Parallel()
	taken := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/9"), netip.MustParsePrefix("192.168.7.0/24")}
	for cidr, want := range map[string]string{
		"10.213.0.0/16":  "",
		"10.213.4.7/24":  "",
		"10.3.0.0/16":    "overlaps",
		"192.168.0.0/16": "overlaps",
		"10.213.0.0/8":   "between",
		"10.213.0.0/30":  "between",
		"fd00::/64":      "between",
		"10.213.0.0":     "subnet",
	} {
		_, err := usable(cidr, taken)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", cidr, err, want)
		}
	}
}

func TestFreeAddress(t *testing.T) {
	t.Parallel()
	n := &network{tag: "0a0b0c", subnet: netip.MustParsePrefix("10.9.8.0/29")}
	used := map[string]bool{"": true}
	var got []string
	for {
		ip, err := n.free(used)
		if err != nil {
			break
		}
		used[ip] = true
		got = append(got, ip)
	}
	if want := "10.9.8.2 10.9.8.3 10.9.8.4 10.9.8.5 10.9.8.6"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if name := n.vethName("10.9.8.6"); name != "oy0a0b0c-0806" || len(name) > 15 {
		t.Errorf("link name %s", name)
	}
}

// TestPacketFilters, in a network namespace of its own: rules go into the
// chains that drop, once, and out again without touching others'.
func TestPacketFilters(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	n := &network{tag: "0a0b0c", subnet: netip.MustParsePrefix("10.9.8.0/24"), log: slog.New(slog.DiscardHandler)}
	err := apart(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		drop := nftables.ChainPolicyDrop
		filter := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "filter"})
		forward := c.AddChain(&nftables.Chain{Name: "FORWARD", Table: filter, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &drop})
		input := c.AddChain(&nftables.Chain{Name: "INPUT", Table: filter, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter, Policy: &drop})
		if err := c.Flush(); err != nil {
			return err
		}
		expect := func(step string, inForward, inInput int) {
			f, _ := c.GetRules(filter, forward)
			i, _ := c.GetRules(filter, input)
			if len(f) != inForward || len(i) != inInput {
				t.Errorf("%s: %d and %d rules, want %d and %d", step, len(f), len(i), inForward, inInput)
			}
		}
		for range 2 {
			if err := errors.Join(n.masquerade(), n.acceptByNftables()); err != nil {
				return err
			}
			expect("accepted", 2, 1)
		}
		n.closeFirewall()
		expect("removed", 0, 0)
		if tables, _ := c.ListTables(); len(tables) != 1 {
			t.Errorf("%d tables are left, want the host's one", len(tables))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolvers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	for content, want := range map[string]bool{
		"nameserver 127.0.0.53\noptions edns0\n":       false,
		"nameserver 127.0.0.53\nnameserver 10.0.0.2\n": true,
		"nameserver ::1\nnameserver fe80::1%eth0\n":    false,
		"search example.org\nnameserver 2001:db8::1\n": true,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		text, ok := withoutStubs(file)
		if ok != want || strings.Contains(text, "127.0.0.53") {
			t.Errorf("%q: got %v and %q", content, ok, text)
		}
	}
}

func TestImageNames(t *testing.T) {
	t.Parallel()
	i := &images{dir: t.TempDir(), log: slog.New(slog.DiscardHandler), ctx: t.Context()}
	for _, want := range []string{"nonsense", "dir:relative", "dir:" + t.TempDir(), "oci:debian"} {
		if _, err := i.resolve(t.Context(), want); !errors.Is(err, compute.ErrBadSpec) {
			t.Errorf("%s: got %v, want ErrBadSpec", want, err)
		}
	}
}

func TestUnitWords(t *testing.T) {
	t.Parallel()
	if got, want := quoteUnitWord(`a "b" 50% $HOME \`), `"a \"b\" 50%% $$HOME \\"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	host := hostSize()
	if host.CPUs < 1 || host.Memory < 64<<20 || host.Memory > 1<<50 {
		t.Fatalf("the host has %+v", host)
	}
	for _, name := range append([]string{""}, compute.AnySizes()...) {
		size, ok := sizeOf(name)
		if !ok || size.CPUs <= 0 || size.CPUs > host.CPUs || size.Memory <= 0 || size.Memory > host.Memory || size.Tasks == 0 {
			t.Errorf("%q gives %+v", name, size)
		}
	}
	if _, ok := sizeOf("x1.enormous"); ok {
		t.Error("a size that means nothing was taken")
	}
	if got := shortfall("local.nano"); got != "" {
		t.Errorf("a small machine: %s", got)
	}
	if got := shortfall("r5.24xlarge"); !strings.Contains(got, "less than r5.24xlarge") && host.CPUs < 96 {
		t.Errorf("a machine larger than the host: %q", got)
	}
}
