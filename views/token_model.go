package views

import (
	"time"

	"opsyard/models"
	"opsyard/views/ui"
)

// TokenRow is one token, or what is left of it after its end.
type TokenRow struct {
	ID       string
	Name     string
	Level    models.Level // the most it may do; empty: as its owner
	Stacks   []string     // names of where; none: everywhere
	Created  time.Time
	Expires  time.Time
	LastUsed *time.Time
}

// scope says what a token may do, of what its owner may.
func (t TokenRow) scope() string {
	what, where := "as you may", "on every stack"
	if t.Level != "" {
		what = "at most " + string(t.Level)
	}
	if len(t.Stacks) > 0 {
		where = "on " + And(t.Stacks)
	}
	return Capital(what + " " + where)
}

func (t TokenRow) scopeOf(own bool) string {
	if own || t.Level != "" {
		return t.scope()
	}
	where := "on every stack"
	if len(t.Stacks) > 0 {
		where = "on " + And(t.Stacks)
	}
	return "As they may " + where
}

// soon is how long before its end a token is marked.
const soon = 14 * 24 * time.Hour

func (t TokenRow) tone(now time.Time) ui.Tone {
	switch left := t.Expires.Sub(now); {
	case left <= 0:
		return ui.Off
	case left < soon:
		return ui.Warn
	}
	return ui.OK
}

func (t TokenRow) ends(now time.Time) string {
	left := t.Expires.Sub(now)
	if left <= 0 {
		return "ended"
	}
	if left < 24*time.Hour {
		return "ends within a day"
	}
	return "ends in " + ui.Plural(int(left.Round(24*time.Hour)/(24*time.Hour)), "day")
}

// FreshToken is a token with its secret text, shown once.
type FreshToken struct {
	Name, Secret string
	Expires      time.Time
}

// TokenForm is the page that makes a token.
type TokenForm struct {
	Page   Page
	Form   Form
	Stacks []models.Stack
}

func (p TokenForm) levels() []ui.Option {
	list := []ui.Option{{Value: "", Label: "As much as I may"}}
	for _, l := range []models.Level{models.LevelShow, models.LevelDeploy, models.LevelManage} {
		list = append(list, ui.Option{Value: string(l), Label: string(l), Selected: p.Form.Value("Level") == string(l)})
	}
	return list
}

func (p TokenForm) days() ui.FieldProps {
	f := number(p.Form.input("Days", "Ends after days", "At most 365. A token that ended is refused; make another."))
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
