package handlers

import (
	"net/http"
	"testing"

	"opsyard/models"
	"opsyard/views"
)

// The database of an app may be the layer by its ARN, as the API has it.
func TestAppDatabaseIsALayer(t *testing.T) {
	t.Parallel()
	c, f, root := shopReal(t)
	db := c.storedLayer(f.layers[5].ID)
	db.Arn = "arn:aws:opsworks:us-east-1:123456789012:layer/" + string(db.ID)
	if err := c.store.Layers.Save(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	page := views.AppHref(f.stack.ID, f.app.ID)
	root.get(page+"/edit").want(t, http.StatusOK, `<option value="`+db.Arn+`">Layer `+db.Name)
	root.post(page+"/edit", "do", "save", "Name", "storefront", "Type", "php", "DataSourceType", models.DataSourceMysql, "MysqlArn", db.Arn, "DatabaseName", "shop").wantLocation(t, page)
	a, err := c.store.Apps.Get(t.Context(), f.app.ID)
	if err != nil || len(a.DataSources) != 1 || a.DataSources[0].Arn != db.Arn {
		t.Fatalf("the data sources are %+v, %v", a.DataSources, err)
	}
	root.get(page+"/edit").want(t, http.StatusOK, `<option value="`+db.Arn+`" selected>Layer `)
}
