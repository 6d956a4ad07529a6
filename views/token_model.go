package views

import (
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// TokenRow is one token, or what is left of it after its end.
type TokenRow struct {
	Limits
	ID       string
	Name     string
	Created  time.Time
	LastUsed *time.Time
}

// Limits are what a token or an access key may do of what its owner may.
type Limits struct {
	Level   models.Level // the most it may do; empty: as its owner
	Stacks  []string     // names of where; none: everywhere
	Expires *time.Time   // nil: when it is deleted
}

// scope says what it may do; own, that the reader is its owner.
func (l Limits) scope(own bool) string {
	what, where := "all that they may", "on every stack"
	if own {
		what = "all that you may"
	}
	if l.Level != "" {
		what = "at most " + string(l.Level)
	}
	if len(l.Stacks) > 0 {
		where = "on " + And(l.Stacks)
	}
	return Capital(what + ", " + where)
}

// soon is how long before its end a token or key is marked.
const soon = 14 * 24 * time.Hour

func (l Limits) tone(now time.Time) ui.Tone {
	if l.Expires == nil {
		return ui.OK
	}
	switch left := l.Expires.Sub(now); {
	case left <= 0:
		return ui.Off
	case left < soon:
		return ui.Warn
	}
	return ui.OK
}

func (l Limits) expired(now time.Time) bool { return l.Expires != nil && !l.Expires.After(now) }

func (l Limits) ends(now time.Time) string {
	if l.Expires == nil {
		return "when deleted"
	}
	if l.expired(now) {
		return "expired"
	}
	left := l.Expires.Sub(now)
	if left < 24*time.Hour {
		return "within a day"
	}
	return "in " + ui.Plural(int(left.Round(24*time.Hour)/(24*time.Hour)), "day")
}

// FreshToken is a token with its secret text, shown once.
type FreshToken struct {
	Name, Secret string
	Expires      time.Time
}

// LimitsForm is the page that makes a token, or an access key.
type LimitsForm struct {
	Page   Page
	Form   Form
	Stacks []models.Stack
}

func (p LimitsForm) levels() []ui.Option {
	list := []ui.Option{{Value: "", Label: "As much as I may"}}
	for _, l := range []models.Level{models.LevelShow, models.LevelDeploy, models.LevelManage} {
		list = append(list, ui.Option{Value: string(l), Label: string(l), Selected: p.Form.Value("Level") == string(l)})
	}
	return list
}

func (p LimitsForm) days(hint string) ui.FieldProps {
	f := number(p.Form.input("Days", "Expires after days", hint))
	f.Attrs["max"] = "365"
	return f
}

// export puts a token where a shell has it.
func (f FreshToken) export() string { return "export OPSYARD_TOKEN=" + f.Secret }

// curl asks the API something that every token may.
func (p MeKeysPage) curl() string {
	return `curl -sS ` + p.Server + `/ -H "Authorization: Bearer $OPSYARD_TOKEN" \` + "\n" +
		`  -H 'Content-Type: application/x-amz-json-1.1' \` + "\n" +
		`  -H 'X-Amz-Target: OpsWorks_20130218.DescribeStacks' -d '{}'`
}
