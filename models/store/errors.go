package store

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"opsyard/models"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	modernc "modernc.org/sqlite"
)

// uniqueColumns names the unique indices that people can hit by what SQLite
// says of them; PostgreSQL gives the name itself.
var uniqueColumns = map[string]string{
	"layers.stack_id, layers.name":                               "layer_name",
	"layers.stack_id, layers.shortname":                          "layer_shortname",
	"apps.stack_id, apps.name":                                   "app_name",
	"apps.stack_id, apps.shortname":                              "app_shortname",
	"instances.stack_id, instances.hostname":                     "instance_hostname",
	"elastic_load_balancers.region, elastic_load_balancers.name": "elastic_load_balancer_name",
	"ecs_clusters.stack_id":                                      "ecs_cluster_stack",
	"alarms.stack_id, alarms.name":                               "alarm_name",
	"groups.name":                                                "idx_groups_name",
	"policies.name":                                              "idx_policies_name",
	"users.name":                                                 "idx_users_name",
	"users.iam_user_arn":                                         "idx_users_iam_user_arn",
	"users.ssh_username":                                         "user_ssh_username",
}

// brokenIndex is the unique index that a statement violated, empty when the
// error is another one.
func brokenIndex(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return pg.ConstraintName
	}
	var lite *modernc.Error
	if !errors.As(err, &lite) || lite.Code() != 1555 && lite.Code() != 2067 {
		return ""
	}
	_, columns, _ := strings.Cut(lite.Error(), "UNIQUE constraint failed: ")
	columns, _, _ = strings.Cut(columns, " (")
	if name, ok := uniqueColumns[columns]; ok {
		return name
	}
	return columns
}

// wasInTheWay tells that PostgreSQL has taken a transaction back because of
// another one: a deadlock, or changes that no order of the two explains.
func wasInTheWay(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001")
}

// wrap says which deed failed. Anything that broke a unique index nobody gave
// a better sentence for is a Conflict.
func wrap(err error, deed string, args ...any) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf(deed+": %w", append(args, err)...)
	if brokenIndex(err) != "" {
		return models.Conflict("Somebody else has just made the same change. Please look again.").Because(err)
	}
	return err
}

// found makes a missing row a NotFound.
func found(err error, kind string, id any) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return models.NotFound(kind, id)
	}
	return wrap(err, "read %s %v", kind, id)
}

// affected makes a write that met no row a NotFound.
func affected(result *gorm.DB, deed, kind string, id any) error {
	if result.Error == nil && result.RowsAffected == 0 {
		return models.NotFound(kind, id)
	}
	return wrap(result.Error, "%s %s %v", deed, kind, id)
}

// clip makes text from outside fit its column: valid UTF-8 without NUL, which
// PostgreSQL refuses, and at most n characters.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// maxText bounds sentences in columns without a size.
const maxText = 4096
