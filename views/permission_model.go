package views

import (
	"slices"
	"strconv"
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// PermissionRow is what one person may do in one stack, to look at and to
// change: on a stack's page a row per person, on a person's a row per stack.
type PermissionRow struct {
	ID    string // of the person or the stack
	Name  string
	About string
	Href  string // empty: nowhere to go
	models.Permission
	Admin bool // an administrator needs no level
	Own   bool // nobody sets their own level, nor that of a group that they are in
	Group bool // the row is of a group, not of a person
	// Through is what the person has here by groups, nil for a group's own row.
	Through []GrantRow
	// Why is where the explainer tells what the person may do here.
	Why string
}

// effect is the level that counts and what it comes from: deny beats all, else
// the highest; of equals one's own.
func (r PermissionRow) effect() (level models.Level, by string) {
	level = r.level()
	for _, g := range r.Through {
		if level == models.LevelDeny {
			break
		}
		if g.Level == models.LevelDeny || slices.Index(models.Levels, g.Level) > slices.Index(models.Levels, level) {
			level, by = g.Level, g.Group
		}
	}
	return level, by
}

// ownNote says why a row of one's own cannot be changed.
func (r PermissionRow) ownNote() string {
	if r.Group {
		return "you are in it, set by others"
	}
	return "your own, set by others"
}

// effectBy says where the level that counts comes from.
func (r PermissionRow) effectBy() string {
	level, by := r.effect()
	switch {
	case r.Admin:
		return "administrator"
	case by != "":
		return "by " + by
	case level == models.LevelIAMOnly:
		return "no level"
	}
	return "own level"
}

// effectNote is what stands under the level that counts.
func (r PermissionRow) effectNote() string {
	if l := r.loginBy(); l != "" {
		return r.effectBy() + ", " + l
	}
	return r.effectBy()
}

// loginBy says what the groups add on the instances.
func (r PermissionRow) loginBy() string {
	ssh, sudo := r.AllowSSH, r.AllowSudo
	var by []string
	for _, g := range r.Through {
		if g.SSH && !ssh || g.Sudo && !sudo {
			by = append(by, g.Group)
		}
		ssh, sudo = ssh || g.SSH, sudo || g.Sudo
	}
	if level, _ := r.effect(); by == nil || level == models.LevelDeny && !r.Admin {
		return ""
	}
	return loginWords(ssh, sudo) + " by " + And(by)
}

func (r PermissionRow) level() models.Level {
	if r.Level == "" {
		return models.LevelIAMOnly
	}
	return r.Level
}

// was is how the row stood when it was drawn: what the reader did not touch is
// not written.
func (r PermissionRow) was() string {
	return string(r.level()) + " " + strconv.FormatBool(r.AllowSSH) + " " + strconv.FormatBool(r.AllowSudo)
}

func (r PermissionRow) field(what string) string { return what + "-" + r.ID }

// login says what the person may do on the instances, groups included.
func (r PermissionRow) login() string {
	ssh, sudo := r.AllowSSH, r.AllowSudo
	for _, g := range r.Through {
		ssh, sudo = ssh || g.SSH, sudo || g.Sudo
	}
	if level, _ := r.effect(); level == models.LevelDeny && !r.Admin {
		return ""
	}
	return loginWords(ssh, sudo)
}

func loginWords(ssh, sudo bool) string {
	switch {
	case ssh && sudo:
		return "SSH, sudo"
	case ssh:
		return "SSH"
	}
	return ""
}

// PermissionsPage is who may do what in one stack.
type PermissionsPage struct {
	Frame StackFrame
	Rows  []PermissionRow
	// Groups are what whole groups have here.
	Groups []PermissionRow
	Query  string
	Pager  Pager
	// How many of all people have a level here, and how many an account on the
	// instances.
	Levels, Logins, Admins int
	// Who may log in for some time, and whom it may be given to.
	Timed  []TimedLogin
	People []ui.Option
	Now    time.Time
}

// TimedLogin is somebody who may log in for some time.
type TimedLogin struct {
	ID    string
	Name  string
	Until time.Time
	Sudo  bool
	Own   bool // nobody changes their own
}

func (t TimedLogin) with() string {
	if t.Sudo {
		return "SSH and sudo"
	}
	return "SSH"
}

// loginTimes are how long access is offered for.
var loginTimes = []ui.Option{
	{Value: "1h", Label: "for 1 hour"}, {Value: "4h", Label: "for 4 hours"}, {Value: "8h", Label: "for 8 hours"}, {Value: "24h", Label: "for 1 day"},
	{Value: "72h", Label: "for 3 days"}, {Value: "168h", Label: "for 7 days"}, {Value: "720h", Label: "for 30 days"},
}

func sudoText(sudo bool) string {
	if sudo {
		return "yes"
	}
	return "no"
}

// Sentence says who may act here.
func (p PermissionsPage) Sentence() Sentence {
	s := Sentence{Lead: people(p.Levels) + " with a level on this stack, " + Thousands(p.Logins) + " with an account on its instances."}
	if p.Levels == 0 {
		s.Lead = "Nobody has a level on this stack."
	}
	s.Rest = []Phrase{{Text: "Besides them " + administrators(p.Admins) + " may do everything."}}
	return s
}

// Add counts a person into the sentence.
func (p *PermissionsPage) Add(r PermissionRow) {
	level, _ := r.effect()
	switch {
	case r.Admin:
		p.Admins++
	case level.Allows(models.ActionShow):
		p.Levels++
	}
}

// People is a number of people in words.
func People(n int) string { return people(n) }

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return Thousands(n) + " people"
}

func administrators(n int) string {
	if n == 1 {
		return "1 administrator"
	}
	return Thousands(n) + " administrators"
}

func levelOptions(r PermissionRow) []ui.Option { return ui.Options(models.Levels, r.level()) }

// showsEffect tells whether rows say which level counts: rows of groups have
// only the one.
func showsEffect(rows []PermissionRow) bool {
	return slices.ContainsFunc(rows, func(r PermissionRow) bool { return r.Why != "" })
}
