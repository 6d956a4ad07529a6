package engine

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"opsyard/agent/protocol"
	"opsyard/models"
)

// What the agents of different layers are told of a database layer and a Redis.
func TestServersOfCommands(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		layer := func(kind models.LayerType, engine string) *models.Layer {
			l := models.NewLayer(w.stack.ID, kind)
			l.Name, l.Engine, l.VolumeConfigurations = string(kind), engine, nil
			return must(w.engine.CreateLayer(w.ctx, l))(t)
		}
		db, cache := layer(models.LayerDBMaster, models.EnginePostgresql), layer(models.LayerMemcached, models.EngineRedis)
		server, redis, app := w.online(db), w.instance(cache), w.instance(w.web)
		w.start(redis)
		atRedis := w.finish(redis, models.CommandSetup, protocol.Successful).RedisPassword
		w.becomes(redis, models.InstanceOnline)
		w.drain()
		a := must(w.engine.CreateApp(w.ctx, models.App{
			StackID: w.stack.ID, Name: "Shop", Type: models.AppStatic, DataSources: []models.DataSource{{Type: models.DataSourceAutoSelect}},
		}))(t)

		made := w.sent(server, models.CommandConfigure) // for the new app
		if made.AppDatabases["shop"].Username != "shop" || made.AppDatabases["shop"].Adapter != "postgresql" || made.RedisPassword != "" {
			t.Errorf("the server is to serve %+v", made.AppDatabases)
		}
		password := made.AppDatabases["shop"].Password
		hides := func(run protocol.Run, secret string) bool {
			return len(secret) == 32 && slices.ContainsFunc(run.Secrets, func(s protocol.Secret) bool { return s.Value == secret })
		}
		if !hides(made, password) {
			t.Error("its agent does not know that the password is a secret")
		}
		w.start(app)
		run := w.sent(app, models.CommandSetup)
		if len(run.Apps) != 1 || run.Apps[0].Database == nil || run.Apps[0].Database.Password != password || run.Apps[0].Database.Database != "shop" {
			t.Fatalf("the app's instance is told of %+v", run.Apps)
		}
		if url := run.Apps[0].Services["REDIS_URL"]; !strings.HasPrefix(url, "redis://:"+atRedis+"@") || !hides(run, atRedis) {
			t.Errorf("the app is told of %v", run.Apps[0].Services)
		}
		if text := string(must(json.Marshal(run))(t)); strings.Contains(text, must(w.store.Layers.Get(w.ctx, db.ID))(t).Secret) {
			t.Error("what passwords are derived from has left the server")
		}

		set := func(d models.DataSource) error {
			_, err := w.engine.UpdateApp(w.ctx, a.ID, func(a *models.App) error { a.DataSources = []models.DataSource{d}; return nil })
			return err
		}
		ok(t, set(models.DataSource{Type: models.DataSourceMysql, Arn: db.Arn, DatabaseName: "orders"}))
		ok(t, set(models.DataSource{Type: models.DataSourceMysql, Arn: server.Arn}))
		wantRefusal(t, set(models.DataSource{Type: models.DataSourceMysql, Arn: app.Arn}), models.CodeInvalid, "Data sources:")
		wantRefusal(t, set(models.DataSource{Type: models.DataSourceAutoSelect, DatabaseName: "mysql"}), models.CodeInvalid, "Database name:")

		change := func(engine string) error {
			_, err := w.engine.UpdateLayer(w.ctx, db.ID, func(l *models.Layer) error { l.Engine, l.Secret = engine, "guessed"; return nil })
			return err
		}
		ok(t, change(models.EnginePostgresql))
		wantRefusal(t, change(models.EngineMysql), models.CodeInvalid, "is fixed while the layer has instances")
		if s := must(w.store.Layers.Get(w.ctx, db.ID))(t).Secret; s == "guessed" || s == "" {
			t.Errorf("the layer's secret became %q", s)
		}
	})
}
