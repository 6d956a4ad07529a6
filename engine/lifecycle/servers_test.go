package lifecycle

import (
	"strings"
	"testing"

	"opsyard/models"
)

func sampleServers(engine string) Servers {
	db := models.NewLayer("s", models.LayerDBMaster)
	db.Arn, db.Engine, db.Secret = "arn:layer", engine, "of the layer"
	return Servers{
		Registered:    sampleResources().Databases,
		DatabaseLayer: &db,
		DatabaseInstances: []models.Instance{
			{Arn: "arn:late", Hostname: "db3", Status: models.InstanceOnline, PrivateIP: "10.0.0.3"},
			{Arn: "arn:boot", Hostname: "db1", Status: models.InstanceRunningSetup, PrivateIP: "10.0.0.1"},
			{Arn: "arn:first", Hostname: "db2", Status: models.InstanceOnline, PrivateIP: "10.0.0.2"},
		},
	}
}

func TestDatabaseOfLayer(t *testing.T) {
	t.Parallel()
	s := sampleServers("")
	app := func(kind, arn, name string) models.App {
		return models.App{ID: "a-1", Shortname: "shop", DataSources: []models.DataSource{{Type: kind, Arn: arn, DatabaseName: name}}}
	}
	for what, test := range map[string]struct {
		app        models.App
		host, name string
	}{
		"any":             {app(models.DataSourceAutoSelect, "", ""), "db1", "shop"},
		"the layer":       {app(models.DataSourceMysql, "arn:layer", "orders"), "db1", "orders"},
		"an instance":     {app(models.DataSourceMysql, "arn:boot", ""), "db1", "shop"},
		"of another":      {app(models.DataSourceMysql, "arn:other", ""), "", ""},
		"none":            {app(models.DataSourceNone, "", ""), "", ""},
		"no source":       {models.App{ID: "a-1"}, "", ""},
		"a registered":    {app(models.DataSourceRds, ordersArn, "x"), "orders.example", "x"},
		"the server's":    {app(models.DataSourceAutoSelect, "", "MySQL"), "db1", "app_MySQL_?"},
		"not registered":  {app(models.DataSourceRds, "arn:none", "x"), "", ""},
		"strange letters": {app(models.DataSourceAutoSelect, "", "a`b"), "db1", "a_b_?"},
	} {
		db := s.Database(test.app)
		if (db == nil) != (test.host == "") {
			t.Errorf("%s: got %+v", what, db)
			continue
		}
		if db == nil {
			continue
		}
		name, cut := strings.CutSuffix(test.name, "?")
		if db.Host != test.host || !strings.HasPrefix(db.Database, name) || !cut && db.Database != name || cut && len(db.Database) != len(name)+16 {
			t.Errorf("%s: got %+v", what, db)
		}
	}
	db := s.Database(app(models.DataSourceAutoSelect, "", ""))
	if db.Adapter != "mysql2" || db.Port != 3306 || db.Username != "shop" || db.DataSourceProvider != "mysql" || len(db.Password) != 32 {
		t.Errorf("got %+v", db)
	}
	s = sampleServers(models.EnginePostgresql)
	if db := s.Database(app(models.DataSourceAutoSelect, "", "")); db.Adapter != "postgresql" || db.Port != 5432 {
		t.Errorf("got %+v", db)
	}
	s.DatabaseInstances = nil
	if db := s.Database(app(models.DataSourceAutoSelect, "", "")); db != nil {
		t.Errorf("a database that is nowhere is %+v", db)
	}
	if served := s.Served([]models.App{app(models.DataSourceAutoSelect, "", ""), {ID: "b"}}); len(served) != 1 || served["shop"].Username != "shop" {
		t.Errorf("the layer makes %+v", served)
	}
}

// A password that anybody could work out is none.
func TestNoSecretNoPassword(t *testing.T) {
	t.Parallel()
	s := sampleServers("")
	app := models.App{ID: "a-1", Shortname: "shop", DataSources: []models.DataSource{{Type: models.DataSourceAutoSelect}}}
	s.DatabaseLayer.Secret = ""
	if db := s.Database(app); db != nil {
		t.Errorf("got %+v", db)
	}
	s.DatabaseLayer.Attributes = map[string]string{"MysqlRootPassword": "root's"}
	one := s.Database(app)
	app.ID = "a-2"
	if two := s.Database(app); one == nil || two == nil || one.Password == two.Password {
		t.Errorf("got %+v and %+v", one, two)
	}
}

func TestNamesOnServersDiffer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	seen := map[string]string{}
	for _, app := range []models.App{
		{ID: "1", Shortname: long}, {ID: "2", Shortname: long[:63] + "b"}, {ID: "3", Shortname: "root"}, {ID: "4", Shortname: "postgres"},
		{ID: "5", Shortname: "shop"}, {ID: "6", Shortname: ".hidden"}, {ID: "7", Shortname: "pg_stat"}, {ID: "8", Shortname: long[:33]},
	} {
		user := fit(app.Shortname, maxDatabaseUser, app.ID)
		if seen[user] != "" || len(user) > maxDatabaseUser || !plainName.MatchString(user) || models.ReservedDatabaseName(user) {
			t.Errorf("%s has the user %s, which is %s's or no name", app.Shortname, user, seen[user])
		}
		seen[user] = app.Shortname
	}
}

func TestCaches(t *testing.T) {
	t.Parallel()
	l := models.NewLayer("s", models.LayerMemcached)
	l.Secret = "of the layer"
	s := Servers{CacheLayer: &l, CacheInstances: []models.Instance{
		{Hostname: "b", Status: models.InstanceOnline, PrivateIP: "10.0.0.2"}, {Hostname: "a", Status: models.InstanceOnline, PrivateIP: "10.0.0.1"},
		{Hostname: "c", Status: models.InstanceStopped, PrivateIP: "10.0.0.3"},
	}}
	if got := s.CacheEnvironment(); got["MEMCACHED_SERVERS"] != "10.0.0.1:11211,10.0.0.2:11211" || len(got) != 1 || s.CachePassword() != "" {
		t.Errorf("got %v", got)
	}
	l.Engine = models.EngineRedis
	if got := s.CacheEnvironment(); got["REDIS_URL"] != "redis://:"+s.CachePassword()+"@a:6379/0" || len(got) != 1 || len(s.CachePassword()) != 32 {
		t.Errorf("got %v", got)
	}
	s.CacheInstances = nil
	if got := s.CacheEnvironment(); len(got) > 0 {
		t.Errorf("with no server: %v", got)
	}
}
