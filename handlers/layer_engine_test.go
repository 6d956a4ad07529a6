package handlers

import (
	"net/http"
	"testing"

	"opsyard/models"
	"opsyard/views"
)

// What serves a layer is chosen with its type and stays while it has instances.
func TestLayerEngine(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	db := f.layers[5]
	page := views.LayerHref(f.stack.ID, db.ID)
	settings := func(engine string) answer {
		return root.post(page+"/settings", "Name", "Database", "ExecutionTimeout", "90", "Engine", engine, "attr-MysqlRootPassword", models.Filtered)
	}
	root.get(page+"?tab=settings").want(t, http.StatusOK, `name="Engine"`, "PostgreSQL", "Is fixed while")
	settings("postgresql").want(t, http.StatusUnprocessableEntity, `id="Engine-error"`, "is fixed while the layer has instances")
	settings("oracle").want(t, http.StatusUnprocessableEntity, `id="Engine-error"`, "must be mysql or postgresql")
	settings("mysql").wantLocation(t, page+"?tab=settings")
	if got := c.storedLayer(db.ID).Engine; got != models.EngineMysql {
		t.Errorf("the engine is %q", got)
	}
	root.get(f.at("/layers/new?type=custom")).want(t, http.StatusOK, `value="program"`, "My recipes only")
	root.post(f.at("/layers"), "form", "whole", "Type", "memcached", "Engine", "postgresql").want(t, http.StatusUnprocessableEntity, `id="Engine-error"`)
}
