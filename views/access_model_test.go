package views

import (
	"testing"

	"opsyard/models"
)

// access is what rights mean in words.
func access(r models.Rights) Access {
	r.Person = true
	a := Access{Name: "leo", Stack: "shop"}
	a.All = r.Explain(&models.Stack{ID: "1", Arn: "arn:aws:opsworks:us-east-1:123456789012:stack/1/"})
	a.Outside = r.Explain(nil)
	return a
}

func level(l models.Level) []models.Grant { return []models.Grant{{Level: l}} }

func rules(t *testing.T, effect, action string) []models.PolicyRules {
	t.Helper()
	statements, err := models.ParsePolicy(`{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Action":"opsworks:` + action + `","Resource":"*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	return []models.PolicyRules{{Name: "p", Statements: statements}}
}

func TestAccessInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		rights models.Rights
		want   string
	}{
		{"administrator", models.Rights{Admin: true}, "leo may do everything on shop."},
		{"nothing", models.Rights{}, "leo may not see, deploy to or manage shop. It needs the level show."},
		{"deny", models.Rights{Grants: level(models.LevelDeny)}, "leo may not see, deploy to or manage shop. The level deny refuses everything."},
		{"show", models.Rights{Grants: level(models.LevelShow)}, "leo may see shop, but not deploy to or manage it."},
		{"deploy", models.Rights{Grants: level(models.LevelDeploy)}, "leo may see and deploy to shop, but not manage it."},
		{"manage", models.Rights{Grants: level(models.LevelManage)}, "leo may see, deploy to and manage shop."},
		{"manage without reboots", models.Rights{Grants: level(models.LevelManage), Policies: rules(t, "Deny", "RebootInstance")},
			"leo may see, deploy to and manage shop. Not all of managing: RebootInstance is refused."},
		{"show and reboots", models.Rights{Grants: level(models.LevelShow), Policies: rules(t, "Allow", "RebootInstance")},
			"leo may see shop, but not deploy to or manage it. Of managing only RebootInstance is allowed."},
	} {
		if got := text(t, access(c.rights).Sentence()); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
