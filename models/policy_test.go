package models

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	doc := func(statement string) string { return `{"Version":"2012-10-17","Statement":` + statement + `}` }
	const good = `{"Sid":"x","Effect":"Allow","Action":["opsworks:Describe*","ec2:*"],"Resource":"*"}`
	for _, tc := range []struct{ name, document, want string }{
		{"OK", doc(good), ""},
		{"OKList", doc(`[` + good + `,` + good + `]`), ""},
		{"OKFullAccess", doc(`[{"Effect":"Allow","Action":["opsworks:*","iam:PassRole"],"Resource":["*"]}]`), ""},
		{"OKStack", doc(`{"Effect":"Deny","Action":"OpsWorks:stopstack","Resource":"arn:aws:opsworks:us-east-1:123456789012:stack/x/"}`), ""},
		{"ErrEmpty", ``, "it must be a JSON object"},
		{"ErrList", `[]`, "it must be a JSON object"},
		{"ErrCut", `{"Version":"2012-10-17"`, "it is not JSON"},
		{"ErrMore", doc(good) + `{}`, "something follows its end"},
		{"ErrVersion", `{"Statement":` + good + `}`, `"Version" must be "2012-10-17"`},
		{"ErrNoStatement", `{"Version":"2012-10-17"}`, `"Statement" must be a statement or a list of statements`},
		{"ErrNone", doc(`[]`), "it must have 1 to 100 statements"},
		{"ErrEffect", doc(`{"Effect":"allow","Action":"*","Resource":"*"}`), `"Effect" must be "Allow" or "Deny"`},
		{"ErrCase", doc(`{"effect":"Allow","Action":"*","Resource":"*"}`), `there is no member "effect"`},
		{"ErrTwice", doc(`{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}`), `"Effect" is given twice`},
		{"ErrNoAction", doc(`{"Effect":"Allow","Resource":"*"}`), `"Action" must be a text or a list of 1 to 100 texts`},
		{"ErrNullAction", doc(`{"Effect":"Allow","Action":null,"Resource":"*"}`), `"Action" must be a text or a list of 1 to 100 texts`},
		{"ErrNullInList", doc(`{"Effect":"Allow","Action":[null],"Resource":"*"}`), `"Action" must be a text or a list of 1 to 100 texts`},
		{"ErrNoResource", doc(`{"Effect":"Allow","Action":"*"}`), `"Resource" must be a text or a list of 1 to 100 texts`},
		{"ErrNotAction", doc(`{"Effect":"Allow","NotAction":"opsworks:DeleteStack","Resource":"*"}`), `"NotAction" is not understood here`},
		{"ErrNotResource", doc(`{"Effect":"Allow","Action":"*","NotResource":"*"}`), `"NotResource" is not understood here`},
		{"ErrCondition", doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}`), `"Condition" is not understood here`},
		{"ErrTypo", doc(`{"Effect":"Allow","Action":"opsworks:StratInstance","Resource":"*"}`), `there is no action "opsworks:StratInstance"`},
		{"ErrService", doc(`{"Effect":"Allow","Action":"StartInstance","Resource":"*"}`), `must be opsworks: and the name of an operation`},
		{"ErrAnyService", doc(`{"Effect":"Allow","Action":"*:Start*","Resource":"*"}`), `must be opsworks: and the name of an operation`},
		{"ErrResource", doc(`{"Effect":"Allow","Action":"*","Resource":"my stack"}`), `must be "*" or the ARN of a stack`},
		{"ErrCapitals", doc(`{"Effect":"Deny","Action":"*","Resource":"arn:aws:OpsWorks:*:*:stack/x"}`), `small letters only`},
		{"ErrCapitalID", doc(`{"Effect":"Deny","Action":"*","Resource":"arn:aws:opsworks:*:*:stack/5C6A2A4E-0000"}`), `small letters only`},
		{"ErrLayer", doc(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:opsworks:*:*:layer/x"}`), `of OpsWorks only stacks can be named`},
		{"ErrLong", doc(good) + strings.Repeat(" ", MaxPolicy), "the most is 6144"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParsePolicy(tc.document)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if CodeOf(err) != CodeInvalid || err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want … %s …", err, tc.want)
			}
		})
	}
}

// slow is what a wildcard means, written without care for time.
func slow(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return slow(pattern[1:], text) || text != "" && slow(pattern, text[1:])
	}
	return text != "" && (pattern[0] == '?' || pattern[0] == text[0]) && slow(pattern[1:], text[1:])
}

func TestWildcard(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?]{0,10}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "text")
		if got, want := Wildcard(pattern, text), slow(pattern, text); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// A pattern made to be slow is not: one that tries every way to share the text
// among its stars would not end before the sun does.
func TestWildcardIsQuick(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	if Wildcard(strings.Repeat("a*", 3000)+"b", strings.Repeat("a", 3000)) {
		t.Error("there is no b")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"opsworks:*","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Id":"x","Statement":{"Effect":"Deny","Action":["opsworks:Delete*","s3:?"],"Resource":["arn:aws:opsworks:*:*:stack/s1/"]}}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}`, `{`, `[]`, "",
	} {
		f.Add(seed, "StopStack")
	}
	stack := &Stack{ID: "s1", Arn: "arn:aws:opsworks:us-east-1:000000000000:stack/s1/"}
	f.Fuzz(func(t *testing.T, document, name string) {
		statements, err := ParsePolicy(document)
		if err != nil {
			if CodeOf(err) != CodeInvalid {
				t.Fatalf("got %v", err)
			}
			return
		}
		if !json.Valid([]byte(document)) {
			t.Fatal("what was read is not JSON")
		}
		action := Action(name)
		if _, ok := action.Needs(); !ok { // some need no policy
			action = "StopStack"
		}
		r := Rights{Person: true, Policies: []PolicyRules{{Name: "P", Statements: statements}}}
		allowed := r.Decide(action, stack).Allowed
		if allowed && r.Policies[0].decisive(true, action, stack) {
			t.Fatal("a Deny has lost")
		}
		if allowed && !r.Policies[0].decisive(false, action, stack) {
			t.Fatal("nothing allows it")
		}
	})
}
