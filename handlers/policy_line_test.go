package handlers

import (
	"strings"
	"testing"

	"opsyard/models"
)

// A refused policy says in which line.
func TestPolicyRefusalNamesTheLine(t *testing.T) {
	t.Parallel()
	const good = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "opsworks:StartInstance",
      "Resource": "*"
    },
    {
      "Effect": "Deny",
      "Action": ["opsworks:DeleteStack",
        "opsworks:DeleteApp"],
      "Resource": "*"
    }
  ]
}`
	for _, c := range []struct {
		name, old, fresh string
		want             string
	}{
		{"comma missing", `"Effect": "Deny",`, `"Effect": "Deny"`, "Line 11: "},
		{"cut off", "  ]\n}", "", "Line 14: "},
		{"unknown action", "opsworks:DeleteApp", "opsworks:DeleteAp", "Line 12: "},
		{"effect", `"Effect": "Deny"`, `"Effect": "deny"`, "Line 10: "},
		{"resource of the first", `"Resource": "*"`, `"Resource": "shop"`, "Line 7: "},
		{"condition", `"Effect": "Deny",`, `"Effect": "Deny", "Condition": {},`, "Line 10: "},
		{"version", "2012-10-17", "2008", "Line 2: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			document := strings.Replace(good, c.old, c.fresh, 1)
			_, err := models.ParsePolicy(document)
			if err == nil {
				t.Fatal("it is not refused")
			}
			if got := inLine(models.Sentence(err), document); !strings.HasPrefix(got, c.want) || strings.Contains(got, "Document:") {
				t.Errorf("got %q, want %s…", got, c.want)
			}
		})
	}
	if _, err := models.ParsePolicy(good); err != nil {
		t.Error(err)
	}
	if got := lineOf(""); got != 1 {
		t.Errorf("got line %d of nothing, want 1", got)
	}
}
