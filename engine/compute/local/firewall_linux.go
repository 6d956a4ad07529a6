package local

import (
	"bytes"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// openFirewall gives machines a way out. A host where that fails still has
// machines that reach it and each other, so it is a warning.
func (n *network) openFirewall() {
	if err := n.masquerade(); err != nil {
		n.log.Warn("local machines have no way out to the internet", slog.Any("error", err))
	}
	if firewalld := toolPath("firewall-cmd"); firewalld != "" { // the running configuration only
		_ = exec.Command(firewalld, "--zone=trusted", "--add-interface="+n.bridge()).Run()
	}
}

// keepOpen adds to others' filters what is missing there: Docker, for one, may
// have been started since.
func (n *network) keepOpen() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.acceptInFilters(); err != nil {
		n.log.Warn("a packet filter of this host may hold back local machines", slog.Any("error", err))
	}
}

func (n *network) closeFirewall() {
	if c, err := nftables.New(); err == nil {
		c.DelTable(n.table())
		_ = c.Flush() // absent is fine
	}
	n.removeAccepts()
	for _, r := range n.iptablesRules() {
		_ = iptables("-D", r)
	}
}

// table is ours alone: deleting it takes all its rules and touches no others.
func (n *network) table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "opsyard_" + n.tag}
}

// masquerade rewrites what leaves the subnet for anywhere but the bridge.
func (n *network) masquerade() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	t := n.table()
	c.AddTable(t) // add, delete, add: starts anew whether it was there or not
	c.DelTable(t)
	c.AddTable(t)
	chain := c.AddChain(&nftables.Chain{Name: "postrouting", Table: t, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource})
	mask := make([]byte, 4)
	for i := range n.subnet.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4}, // source address
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: n.subnet.Addr().AsSlice()},
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: interfaceName(n.bridge())},
		&expr.Masq{},
	}})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("set up address translation: %w", err)
	}
	return nil
}

func interfaceName(name string) []byte {
	b := make([]byte, 16)
	copy(b, name)
	return b
}

// acceptInFilters lets the bridge's packets through base chains whose policy is
// to drop: Docker's and ufw's. An accept in a table of ours could not undo
// another's drop, so the rules go into theirs.
func (n *network) acceptInFilters() error {
	rules := n.iptablesRules()
	if rules == nil {
		return n.acceptByNftables()
	}
	for _, r := range rules {
		if iptables("-C", r) == nil {
			continue // it is there
		}
		if err := iptables("-I", r); err != nil {
			return err
		}
	}
	return nil
}

func (n *network) acceptByNftables() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	chains, err := droppingChains(c)
	if err != nil {
		return err
	}
	for _, chain := range chains {
		if len(n.ours(c, chain)) > 0 {
			continue
		}
		c.InsertRule(n.accept(chain, expr.MetaKeyIIFNAME))
		if *chain.Hooknum == *nftables.ChainHookForward {
			c.InsertRule(n.accept(chain, expr.MetaKeyOIFNAME))
		}
	}
	return c.Flush()
}

// iptablesRules are for hosts that manage their filter with iptables. Docker
// asks for such rules in a chain of its own. nil: there is no iptables.
func (n *network) iptablesRules() [][]string {
	program := toolPath("iptables")
	if program == "" {
		return nil
	}
	forward := "FORWARD"
	if exec.Command(program, "-w", "-n", "-L", "DOCKER-USER").Run() == nil {
		forward = "DOCKER-USER"
	}
	return [][]string{
		{forward, "-i", n.bridge(), "-j", "ACCEPT"},
		{forward, "-o", n.bridge(), "-j", "ACCEPT"},
		{"INPUT", "-i", n.bridge(), "-j", "ACCEPT"},
	}
}

func iptables(verb string, rule []string) error {
	out, err := exec.Command(toolPath("iptables"), append([]string{"-w", verb}, rule...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("iptables %s %v: %w: %s", verb, rule, err, bytes.TrimSpace(out))
	}
	return nil
}

// droppingChains are the base chains for routed and incoming packets that drop
// what no rule of theirs accepts.
func droppingChains(c *nftables.Conn) ([]*nftables.Chain, error) {
	var found []*nftables.Chain
	for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyINet} {
		chains, err := c.ListChainsOfTableFamily(family)
		if err != nil {
			return nil, fmt.Errorf("list packet filters: %w", err)
		}
		for _, chain := range chains {
			if chain.Hooknum == nil || chain.Policy == nil || *chain.Policy != nftables.ChainPolicyDrop {
				continue
			}
			if h := *chain.Hooknum; h == *nftables.ChainHookForward || h == *nftables.ChainHookInput {
				found = append(found, chain)
			}
		}
	}
	return found, nil
}

func (n *network) accept(chain *nftables.Chain, key expr.MetaKey) *nftables.Rule {
	return &nftables.Rule{Table: chain.Table, Chain: chain, UserData: n.mark(), Exprs: []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: interfaceName(n.bridge())},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}}
}

// mark is a comment, as nft shows it, by which our rules are found again.
func (n *network) mark() []byte {
	text := "opsyard " + n.tag + "\x00"
	return append([]byte{0, byte(len(text))}, text...)
}

func (n *network) removeAccepts() {
	c, err := nftables.New()
	if err != nil {
		return
	}
	chains, _ := droppingChains(c)
	for _, chain := range chains {
		for _, r := range n.ours(c, chain) {
			_ = c.DelRule(r)
		}
	}
	_ = c.Flush()
}

// ours are the rules in a chain that bear our mark.
func (n *network) ours(c *nftables.Conn, chain *nftables.Chain) []*nftables.Rule {
	rules, _ := c.GetRules(chain.Table, chain)
	return slices.DeleteFunc(rules, func(r *nftables.Rule) bool { return !bytes.Equal(r.UserData, n.mark()) })
}
