package awsapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"opsyard/handlers/awsapi/wire"
	"opsyard/models"
)

const canary = "c4n4ry-"

// TestSecretsStayInside puts a canary into every secret that the API takes, and
// looks for it in what the API tells everybody, in refusals and in the audit.
// Custom JSON is left out: clients read it back, as they did at OpsWorks.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.uncounted = true
	people := []person{{name: "admin", key: w.key}}
	for _, level := range []models.Level{models.LevelShow, models.LevelDeploy, models.LevelManage} {
		people = append(people, person{name: string(level), level: level, key: w.newKey(t, models.User{Name: string(level)})})
	}
	s := w.scene(t, people)
	for _, deed := range [][2]string{
		{"UpdateStack", `{"StackId":"STACK","UseCustomCookbooks":true,"CustomCookbooksSource":{"Type":"git","Url":"https://u:` + canary + `url@git.example/c.git","Password":"` + canary + `password","SshKey":"` + canary + `key"}}`},
		{"UpdateApp", `{"AppId":"APP","AppSource":{"Type":"git","Url":"https://u:` + canary + `app-url@git.example/a.git","Password":"` + canary + `app-password","SshKey":"` + canary + `app-key"},` +
			`"Environment":[{"Key":"TOKEN","Value":"` + canary + `env","Secure":true}]}`},
		{"CreateLayer", `{"StackId":"STACK","Type":"db-master","Name":"MySQL","Shortname":"db-master","Attributes":{"MysqlRootPassword":"` + canary + `root"}}`},
		{"RegisterRdsDbInstance", `{"StackId":"STACK","RdsDbInstanceArn":"arn:aws:rds:us-east-1:123456789012:db:canary","DbUser":"u","DbPassword":"` + canary + `rds"}`},
		{"CreateApp", `{"StackId":"STACK","Name":"New","Type":"none-such","Environment":[{"Key":"TOKEN","Value":"` + canary + `refused","Secure":true}]}`},
		{"CreateApp", `{"StackId":"STACK","Name":7,"Environment":[{"Key":"TOKEN","Value":"` + canary + `broken","Secure":true}]}`},
	} {
		status, answer := w.raw(t, w.key, deed[0], with(deed[1])(s))
		if refused := strings.Contains(deed[1], "refused") || strings.Contains(deed[1], "broken"); (status != http.StatusOK) != refused {
			t.Errorf("%s answers %d %s", deed[0], status, answer)
		}
		w.look(t, deed[0], answer)
	}
	_, answer := w.send(t, w.bearing(t, models.TokenPrefix+canary+"token", "DescribeStacks", "{}"))
	w.look(t, "the answer to a wrong token", answer)
	for _, o := range wire.Operations() {
		if !looks(o.Name) && o.Name != "DescribeStackProvisioningParameters" {
			continue
		}
		for _, p := range people {
			_, answer := w.raw(t, p.key, o.Name, grades[o.Name].body(s))
			w.look(t, o.Name+" as "+p.name, answer)
			if slices.Contains([]string{"DescribeRdsDbInstances", "DescribeApps", "DescribeLayers"}, o.Name) && !strings.Contains(answer, "FILTERED") {
				t.Errorf("%s as %s shows nothing in place of the secret: %s", o.Name, p.name, answer)
			}
		}
	}
	head := must(w.store.Audit.Head(w.ctx))(t)
	for _, e := range must(w.store.Audit.Since(w.ctx, models.AuditFilter{}, 0, head.ID, 10_000))(t) {
		line := must(e.Line(0))(t)
		w.look(t, "the audit of "+e.Action, string(line))
	}
}

func (w *world) look(t *testing.T, where, text string) {
	t.Helper()
	if n := strings.Index(text, canary); n >= 0 {
		t.Errorf("%s shows %s", where, text[n:min(len(text), n+30)])
	}
}
