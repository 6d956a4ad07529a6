package cookbooks_test

import "testing"

// TestPHPOnMachines runs a PHP app through its life.
func TestPHPOnMachines(t *testing.T) {
	t.Parallel()
	app := newSample("php")
	app.Environment = map[string]string{"GREETING": `it's "$5" ${HOME} \1`}
	newAppStory(t, "php-app", app, "apache2").tell(t)
}
