package cookbooks_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"opsyard/agent/protocol"
	"opsyard/engine/compute"
	"opsyard/models"
)

// rootPassword has what a configuration could trip over.
const rootPassword = `it's "root" \ #1`

// databaseYard is a machine of each kind of database, with its data on a volume,
// and one that is an app server to them.
func databaseYard(t *testing.T, ctx context.Context) *yard {
	t.Helper()
	y := newYard(t)
	for id, engine := range map[string]string{"mysql1": models.EngineMysql, "pg1": models.EnginePostgresql} {
		y.layer(models.Layer{
			Shortname: id, Name: id, Type: models.LayerDBMaster, Engine: engine, Attributes: map[string]string{"MysqlRootPassword": rootPassword},
		})
		y.machine(id, id)
		y.machines[id].volumes = []compute.Volume{{ID: "data-of-" + id, MountPoint: "/vol/mysql"}}
	}
	y.layer(models.Layer{Shortname: "app", Name: "app", Type: models.LayerCustom})
	y.machine("app1", "app")
	y.serve("shop_app", "shop-1")
	y.start(t, ctx)
	return y
}

// serve has the database machines make databases of apps, with this password.
func (y *yard) serve(app, password string) {
	served := map[string]protocol.Database{app: {Username: app, Password: password, Database: app}}
	y.private = map[string]any{"app_databases": served}
}

// TestDatabaseOnMachines makes a MySQL and a PostgreSQL database of an app and
// reads from it what was written before a stop of the machine.
func TestDatabaseOnMachines(t *testing.T) {
	y := databaseYard(t, t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	databases := []string{"mysql1", "pg1"}
	both := func(do func(id string)) { t.Helper(); y.these(t, databases, do) }
	y.dry = true
	both(func(id string) { y.do(t, ctx, id, models.CommandSetup) })
	y.dry = false
	y.everywhere(t, func(id string) {
		if id == "app1" {
			y.bash(t, ctx, id, y.program+" agent package mariadb-client postgresql-client --no-recommends")
			return
		}
		y.do(t, ctx, id, models.CommandSetup)
		if out, changed := y.do(t, ctx, id, models.CommandSetup); changed != "0" {
			t.Errorf("%s: a run without news changed something:\n%s", id, out)
		}
	})
	// ask runs SQL from the app machine, as the app.
	ask := func(id, user, password, database, sql string) string {
		t.Helper()
		line := "MYSQL_PWD='" + password + "' mariadb --batch --skip-column-names -h " + y.address(id) + " -u " + user + " " + database + ` -e "` + sql + `" 2>&1`
		if id == "pg1" {
			line = "PGPASSWORD='" + password + "' psql -XAt -h " + y.address(id) + " -U " + user + " -d " + database + ` -c "` + sql + `" 2>&1`
		}
		return y.bash(t, ctx, "app1", line)
	}
	y.bash(t, ctx, "mysql1", `mariadb -e "CREATE DATABASE shopXapp"`)
	both(func(id string) {
		ask(id, "shop_app", "shop-1", "shop_app", "CREATE TABLE goods (name VARCHAR(20)); INSERT INTO goods VALUES ('tea')")
		for what, out := range map[string]string{
			"a wrong password": ask(id, "shop_app", "shop-2", "shop_app", "SELECT 1"),
			"root":             ask(id, map[string]string{"mysql1": "root", "pg1": "postgres"}[id], `it'\''s "root" \ #1`, "mysql", "SELECT 1"),
			"another database": ask(id, "shop_app", "shop-1", map[string]string{"mysql1": "shopXapp", "pg1": "postgres"}[id], "SELECT 1"),
		} {
			if out == "1" {
				t.Errorf("%s lets %s in", id, what)
			}
		}
	})

	// A new password, as when the app is made anew, counts after Configure.
	y.serve("shop_app", "shop-2")
	both(func(id string) {
		y.do(t, ctx, id, models.CommandConfigure)
		if out := ask(id, "shop_app", "shop-2", "shop_app", "SELECT name FROM goods"); out != "tea" {
			t.Errorf("%s: with the new password the app reads %q", id, out)
		}
		if out := y.bash(t, ctx, id, "ls -l /vol/mysql/*accounts.sql /etc/opsyard/*accounts.sql 2>/dev/null"); !strings.HasPrefix(out, "-rw------- ") {
			t.Errorf("%s keeps its accounts as %s", id, out)
		}
		y.do(t, ctx, id, models.CommandShutdown)
		if out := y.bash(t, ctx, id, "zgrep -l tea /vol/mysql/*backups/*.sql.gz; ls /vol/mysql/*backups | wc -l"); !strings.HasSuffix(out, ".sql.gz\n1") {
			t.Errorf("%s: the backups are %s", id, out)
		}
		y.restart(t, ctx, id)
		y.do(t, ctx, id, models.CommandSetup)
		if out := ask(id, "shop_app", "shop-2", "shop_app", "SELECT name FROM goods"); out != "tea" {
			t.Errorf("%s: after a stop and a start the app reads %q", id, out)
		}
	})

	// Another app takes the place of the first: its user goes, its data stay.
	y.serve("new", "new-1")
	both(func(id string) {
		y.do(t, ctx, id, models.CommandDeploy)
		if out := ask(id, "new", "new-1", "new", "SELECT 1"); out != "1" {
			t.Errorf("%s: the new app reads %q", id, out)
		}
		if out := ask(id, "shop_app", "shop-2", "shop_app", "SELECT 1"); out == "1" {
			t.Errorf("%s still lets the app in", id)
		}
		local := map[string]string{"mysql1": `mariadb -N shop_app -e "SELECT name FROM goods"`, "pg1": `cd / && runuser -u postgres -- psql -XAt shop_app -c "SELECT name FROM goods"`}[id]
		if out := y.bash(t, ctx, id, local); out != "tea" {
			t.Errorf("%s: the data of the app that is gone are %q", id, out)
		}
	})
	if out := y.bash(t, ctx, "mysql1", `MYSQL_PWD='it'\''s "root" \ #1' runuser -u nobody -- mariadb -N -u root -e "SELECT 1"`); out != "1" {
		t.Errorf("root with the password of the layer reads %q", out)
	}

	y.bash(t, ctx, "mysql1", "umount /vol/mysql || umount -l /vol/mysql")
	if out, ok := y.try(t, ctx, "mysql1", "mysql"); ok || !strings.Contains(out, "which is not mounted") {
		t.Errorf("without its volume the server begins anew:\n%s", out)
	}
}
