package cookbooks_test

import "testing"

// TestNodejsOnMachines runs a Node.js app through its life.
func TestNodejsOnMachines(t *testing.T) {
	t.Parallel()
	app := newSample("nodejs")
	app.Environment = map[string]string{"GREETING": `it's "$5"`}
	newAppStory(t, "nodejs-app", app, "nginx", "opsyard-app-hello@1", "opsyard-app-hello@2").tell(t)
}
