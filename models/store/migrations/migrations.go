// Package migrations brings the schema of a database up to date. Each numbered
// file is one step with frozen structs of its own; a released step is never
// changed.
package migrations

import (
	"errors"
	"fmt"

	"github.com/go-gormigrate/gormigrate/v2"
	"gorm.io/gorm"
)

// steps is every step, oldest first.
var steps = []*gormigrate.Migration{
	{ID: "0001", Migrate: initial},
	{ID: "0002", Migrate: membershipChanges},
	{ID: "0003", Migrate: scaling},
	{ID: "0004", Migrate: registeredInstances},
	{ID: "0005", Migrate: resources},
	{ID: "0006", Migrate: plans},
	{ID: "0007", Migrate: layerEngine},
	{ID: "0008", Migrate: commandSources},
	{ID: "0009", Migrate: intents},
	{ID: "0010", Migrate: metrics},
	{ID: "0011", Migrate: healing},
	{ID: "0012", Migrate: alarms},
	{ID: "0013", Migrate: notifications},
	{ID: "0014", Migrate: scheduleFirings},
	{ID: "0015", Migrate: rolloutDecisions},
	{ID: "0016", Migrate: pendingCommands},
	{ID: "0017", Migrate: groupsPoliciesTokens},
	{ID: "0018", Migrate: signIn},
	{ID: "0019", Migrate: accounts},
	{ID: "0020", Migrate: shells},
	{ID: "0021", Migrate: auditIndexes},
}

// IDs names the steps, oldest first.
func IDs() []string {
	ids := make([]string, len(steps))
	for n, s := range steps {
		ids[n] = s.ID
	}
	return ids
}

// RunTo makes the steps up to one, as an older Opsyard has left a database.
func RunTo(db *gorm.DB, id string) error {
	if err := gormigrate.New(db, options(), steps).MigrateTo(id); err != nil {
		return fmt.Errorf("bring the database schema to step %s: %w", id, err)
	}
	return nil
}

func options() *gormigrate.Options {
	return &gormigrate.Options{
		TableName: "schema_migrations", IDColumnName: "id", IDColumnSize: 64,
		UseTransaction: true, ValidateUnknownMigrations: true,
	}
}

// Run makes the steps that the database has not seen, all or none. It refuses a
// database that a newer Opsyard has changed.
func Run(db *gorm.DB) error {
	err := gormigrate.New(db, options(), steps).Migrate()
	if errors.Is(err, gormigrate.ErrUnknownPastMigration) {
		return errors.New("the database was made or changed by a newer Opsyard: use that version, or a backup from before")
	}
	if err != nil {
		return fmt.Errorf("bring the database schema up to date: %w", err)
	}
	return nil
}
