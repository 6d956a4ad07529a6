package e2e

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"opsyard/models"
)

// The story of the three tiers: what is written through one app server is read
// through the other, and is still there when the database was stopped and
// started.
func TestThreeTiers(t *testing.T) {
	t.Parallel()
	needMachines(t)
	d := startDemo(t, "threetier")
	const words = "The first entry & <still> text"
	wait(t, "an entry is taken", time.Minute, func() bool { return d.write(t, words) })
	for name, page := range d.eachServer(t) {
		if !strings.Contains(page, "The first entry &amp; &lt;still&gt; text") {
			t.Errorf("%s does not show the entry:\n%s", name, page)
		}
	}

	c, db := d.console(t), d.byName["db-master1"]
	before := d.instance(db).PrivateIP
	c.post("/instances/"+string(db)+"/stop", nil)
	d.becomes(models.InstanceStopped, 2*time.Minute, db)
	if page := d.page(t); !strings.Contains(page, "The database does not answer") {
		t.Errorf("without its database the app says:\n%s", page)
	}
	c.post("/instances/"+string(db)+"/start", nil)
	d.becomes(models.InstanceOnline, 3*time.Minute, db)
	t.Logf("the database was at %s, and is at %s", before, d.instance(db).PrivateIP)
	wait(t, "both app servers have found the database again", time.Minute, func() bool {
		for _, page := range d.eachServer(t) {
			if !strings.Contains(page, "The first entry &amp; &lt;still&gt; text") {
				return false
			}
		}
		return true
	})
}

// write leaves an entry in the guestbook.
func (d *demo) write(t *testing.T, words string) bool {
	t.Helper()
	response, err := http.PostForm(d.app, url.Values{"name": {"Ana"}, "words": {words}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK // it leads to the page
}

// eachServer is the page as each of the two app servers has it.
func (d *demo) eachServer(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	wait(t, "both app servers answer", time.Minute, func() bool {
		page := d.page(t)
		for _, name := range []string{"php-app1", "php-app2"} {
			if strings.Contains(page, "Answered by "+name) {
				pages[name] = page
			}
		}
		return len(pages) == 2
	})
	return pages
}

// page is the app's page, whatever its status.
func (d *demo) page(t *testing.T) string {
	t.Helper()
	response, err := http.Get(d.app)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
