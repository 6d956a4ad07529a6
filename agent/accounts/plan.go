// Package accounts makes the people who may log in to the instance users of its
// system, and takes them away again. It touches what it has made and nothing
// else: an account is ours when its name, its user id and its group are those
// that we gave it.
package accounts

import (
	"fmt"

	"opsyard/agent/protocol"
)

// Group is the main group of everybody who may log in (OpsWorks: the same name).
const Group = "opsworks"

// Made is an account that we made, or were about to.
type Made struct {
	Name string `json:"name"`
	UID  int    `json:"uid"`
}

// User is a line of the password file.
type User struct {
	Name     string
	UID, GID int
}

// Found is what the system has.
type Found struct {
	Users []User
	Group int // the number of Group, -1 when there is none
}

// Deed is what is to be done about an account.
type Deed string

// Deeds, in the order in which they are done.
const (
	// Withdraw takes our key and our sudo from an account that has become
	// somebody else's, and leaves the rest of it alone.
	Withdraw Deed = "withdraw"
	// Forget cleans up after an account that somebody else has removed.
	Forget Deed = "forget"
	// Remove takes key, sudo and logins, and then the account; its home stays.
	Remove Deed = "remove"
	// Create makes an account and then keeps it.
	Create Deed = "create"
	// Keep sees to it that key and sudo are as they are wanted.
	Keep Deed = "keep"
)

// Step is a deed and whose account it is about.
type Step struct {
	Deed    Deed
	Account protocol.Account
}

// Plan is how the system becomes what is wanted.
type Plan struct {
	Steps   []Step
	Skipped []protocol.SkippedAccount
}

// Decide compares what we made with what is wanted and what is there. What is
// wanted is plausible.
func Decide(made []Made, want []protocol.Account, found Found) Plan {
	d := decision{wanted: map[Made]protocol.Account{}, byName: map[string]User{}, byUID: map[int]User{}, group: found.Group, ours: map[Made]bool{}, leaving: map[Made]bool{}}
	for _, u := range found.Users {
		d.byName[u.Name], d.byUID[u.UID] = u, u
	}
	once := d.once(want)
	for _, m := range made {
		d.leave(m)
	}
	for _, w := range once {
		d.settle(w)
	}
	return d.plan
}

// once notes what is wanted, of the same name or user id only the first.
func (d *decision) once(want []protocol.Account) (once []protocol.Account) {
	names, ids := map[string]bool{}, map[int]bool{}
	for _, w := range want {
		if names[w.Name] || ids[w.UID] {
			d.skip(w, "It was named twice.")
			continue
		}
		names[w.Name], ids[w.UID] = true, true
		d.wanted[Made{w.Name, w.UID}] = w
		once = append(once, w)
	}
	return once
}

type decision struct {
	plan    Plan
	wanted  map[Made]protocol.Account
	byName  map[string]User
	byUID   map[int]User
	group   int
	ours    map[Made]bool // and there
	leaving map[Made]bool
}

func (d *decision) do(deed Deed, a protocol.Account) {
	d.plan.Steps = append(d.plan.Steps, Step{deed, a})
}

func (d *decision) skip(a protocol.Account, why string) {
	d.plan.Skipped = append(d.plan.Skipped, protocol.SkippedAccount{Name: a.Name, Reason: why})
}

// leave decides about what we made and is not wanted, or not ours any more.
func (d *decision) leave(m Made) {
	account := protocol.Account{Name: m.Name, UID: m.UID}
	u, there := d.byName[m.Name]
	_, wanted := d.wanted[m]
	switch {
	case !there:
		d.do(Forget, account)
	case u.UID != m.UID || u.GID != d.group:
		d.do(Withdraw, account)
		if !wanted {
			d.skip(account, fmt.Sprintf("Somebody has changed the account (user id %d, group id %d), so it stays; its key and its sudo are gone.", u.UID, u.GID))
		}
	case wanted:
		d.ours[m] = true
	default:
		d.leaving[m] = true
		d.do(Remove, account)
	}
}

// settle decides about an account that is wanted.
func (d *decision) settle(w protocol.Account) {
	if d.ours[Made{w.Name, w.UID}] {
		d.do(Keep, w)
		return
	}
	if u, taken := d.byName[w.Name]; taken && !d.leaving[Made{u.Name, u.UID}] {
		d.skip(w, fmt.Sprintf("An account %s (user id %d) is here already and is not Opsyard's, so it is left alone.", u.Name, u.UID))
		return
	}
	if u, taken := d.byUID[w.UID]; taken && !d.leaving[Made{u.Name, u.UID}] {
		d.skip(w, fmt.Sprintf("The user id %d belongs to %s here, which is not Opsyard's.", w.UID, u.Name))
		return
	}
	d.do(Create, w)
}
