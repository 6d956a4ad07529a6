package accounts

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"opsyard/agent/protocol"
)

const group = 990

func account(name string, uid int) protocol.Account { return protocol.Account{Name: name, UID: uid} }

func TestDecide(t *testing.T) {
	t.Parallel()
	ana, ben := account("ana", 2000), account("ben", 2001)
	made := Made{"ana", 2000}
	ours := User{"ana", 2000, group}
	for name, c := range map[string]struct {
		made    []Made
		want    []protocol.Account
		users   []User
		steps   []Step
		skipped int
	}{
		"nothing":                        {},
		"made":                           {want: []protocol.Account{ana}, steps: []Step{{Create, ana}}},
		"kept":                           {made: []Made{made}, want: []protocol.Account{ana}, users: []User{ours}, steps: []Step{{Keep, ana}}},
		"removed":                        {made: []Made{made}, users: []User{ours}, steps: []Step{{Remove, ana}}},
		"removed by somebody":            {made: []Made{made}, steps: []Step{{Forget, ana}}},
		"removed by somebody and wanted": {made: []Made{made}, want: []protocol.Account{ana}, steps: []Step{{Forget, ana}, {Create, ana}}},
		"name taken":                     {want: []protocol.Account{ana}, users: []User{{"ana", 1000, 1000}}, skipped: 1},
		"taken by a twin":                {want: []protocol.Account{ana}, users: []User{ours}, skipped: 1}, // not in our state: not ours
		"id taken":                       {want: []protocol.Account{ana}, users: []User{{"eve", 2000, group}}, skipped: 1},
		"another group":                  {made: []Made{made}, want: []protocol.Account{ana}, users: []User{{"ana", 2000, 27}}, steps: []Step{{Withdraw, ana}}, skipped: 1},
		"another id":                     {made: []Made{made}, users: []User{{"ana", 0, group}}, steps: []Step{{Withdraw, ana}}, skipped: 1},
		"renamed": {made: []Made{made}, want: []protocol.Account{account("anna", 2000)}, users: []User{ours},
			steps: []Step{{Remove, ana}, {Create, account("anna", 2000)}}},
		"a namesake later": {made: []Made{made}, want: []protocol.Account{account("ana", 2007)}, users: []User{ours},
			steps: []Step{{Remove, ana}, {Create, account("ana", 2007)}}},
		"named twice": {want: []protocol.Account{ana, account("ana", 2005), account("eve", 2000), ben}, steps: []Step{{Create, ana}, {Create, ben}}, skipped: 2},
	} {
		p := Decide(c.made, c.want, Found{c.users, group})
		if !reflect.DeepEqual(p.Steps, c.steps) || len(p.Skipped) != c.skipped {
			t.Errorf("%s: %+v, want %+v and %d skipped", name, p, c.steps, c.skipped)
		}
	}
}

// drawn is a host, what we made there, and what is wanted; names and ids are so
// few that they collide.
func drawn(t *rapid.T) (made []Made, want []protocol.Account, found Found) {
	names, ids := rapid.SampledFrom([]string{"ana", "ben", "cem", "dua"}), rapid.IntRange(2000, 2004)
	made = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Made { return Made{names.Draw(t, "name"), ids.Draw(t, "id")} }), 0, 4,
		func(m Made) string { return m.Name }).Draw(t, "made")
	want = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) protocol.Account {
		return account(names.Draw(t, "name"), ids.Draw(t, "id"))
	}), 0, 5).Draw(t, "want")
	found.Group = group
	found.Users = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) User {
		return User{names.Draw(t, "name"), rapid.SampledFrom([]int{0, 1000, 2000, 2001, 2002, 2003, 2004}).Draw(t, "id"), rapid.SampledFrom([]int{0, group}).Draw(t, "gid")}
	}), 0, 4, func(u User) string { return u.Name }).Draw(t, "users")
	for _, m := range made { // most of what we made is as we made it
		if rapid.Bool().Draw(t, "as made") {
			found.Users = append(slices.DeleteFunc(found.Users, func(u User) bool { return u.Name == m.Name }), User{m.Name, m.UID, group})
		}
	}
	return made, want, found
}

// carryOut does what a plan says, on the model.
func carryOut(made []Made, found Found, p Plan) ([]Made, Found) {
	made, users := slices.Clone(made), slices.Clone(found.Users)
	for _, s := range p.Steps {
		m := Made{s.Account.Name, s.Account.UID}
		switch s.Deed {
		case Withdraw, Forget:
			made = slices.DeleteFunc(made, func(o Made) bool { return o == m })
		case Remove:
			made = slices.DeleteFunc(made, func(o Made) bool { return o == m })
			users = slices.DeleteFunc(users, func(u User) bool { return u.Name == m.Name })
		case Create:
			made = append(made, m)
			users = append(users, User{m.Name, m.UID, found.Group})
		}
	}
	return made, Found{users, found.Group}
}

func TestDecideProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		made, want, found := drawn(t)
		p := Decide(made, want, found)
		for _, s := range p.Steps {
			m := Made{s.Account.Name, s.Account.UID}
			is := slices.Contains(found.Users, User{m.Name, m.UID, group})
			if (s.Deed == Remove || s.Deed == Keep) && !(is && slices.Contains(made, m)) {
				t.Fatalf("%s of %v, which is not ours", s.Deed, m)
			}
			if s.Deed != Create && !slices.Contains(made, m) {
				t.Fatalf("%s of %v, which we did not make", s.Deed, m)
			}
		}
		after, then := carryOut(made, found, p)
		names, ids := map[string]bool{}, map[int]bool{}
		for _, u := range then.Users {
			if names[u.Name] {
				t.Fatalf("there are two of %s", u.Name)
			}
			names[u.Name] = true
		}
		// Others' accounts are as they were.
		for _, u := range found.Users {
			m := Made{u.Name, u.UID}
			if !(slices.Contains(made, m) && u.GID == group) && !slices.Contains(then.Users, u) {
				t.Fatalf("%v was touched", u)
			}
		}
		// Whoever is ours is wanted, once by name and by id.
		for _, m := range after {
			if !slices.ContainsFunc(want, func(w protocol.Account) bool { return Made{w.Name, w.UID} == m }) || ids[m.UID] {
				t.Fatalf("%v is still ours", m)
			}
			ids[m.UID] = true
		}
		// Whoever is wanted is there, or was skipped.
		for _, w := range want {
			here := slices.Contains(after, Made{w.Name, w.UID}) && slices.Contains(then.Users, User{w.Name, w.UID, group})
			if !here && !slices.ContainsFunc(p.Skipped, func(s protocol.SkippedAccount) bool { return s.Name == w.Name }) {
				t.Fatalf("nothing is known of %v: %+v", w, p)
			}
		}
		// A second look finds nothing more to do.
		for _, s := range Decide(after, want, then).Steps {
			if s.Deed != Keep {
				t.Fatalf("the second time: %s", fmt.Sprint(s))
			}
		}
	})
}
