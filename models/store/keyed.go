package store

import (
	"strings"

	"opsyard/models"

	"gorm.io/gorm"
)

// Some nouns are named by something of the world outside (an address, an ARN)
// and have no id of ours. These are get and save by such a key.

// getBy reads the one row whose column has the value.
func getBy[T any](db *gorm.DB, column, kind string, value any) (*T, error) {
	var row T
	if err := db.Where(column+" = ?", value).Take(&row).Error; err != nil {
		return nil, found(err, kind, value)
	}
	return &row, nil
}

// findBy reads the rows whose column has one of the values, some at a time.
func findBy[T any, K ~string](db *gorm.DB, column string, values []K, deed string) ([]T, error) {
	var all []T
	for part := range chunks(values, batch) {
		some, err := find[T](db.Session(&gorm.Session{}).Where(column+" IN ?", part), deed)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// saveBy writes a whole row but for its key and its birth.
func saveBy(db *gorm.DB, row any, column, kind string, value any) error {
	result := db.Model(row).Where(column+" = ?", value).Select("*").Omit(column, "created_at").Updates(row)
	return affected(result, "save", kind, value)
}

// deleteBy removes the one row whose column has the value.
func deleteBy(db *gorm.DB, table, column, kind string, value any) error {
	return affected(db.Exec("DELETE FROM "+table+" WHERE "+column+" = ?", value), "delete", kind, value)
}

// inOrder sorts rows as keys names them, each once. The missing keys are
// joined in the error of notFound, beside which it gives the rows that are
// there.
func inOrder[T any](rows []T, keys []string, keyOf func(*T) string, notFound func(string) error) ([]T, error) {
	byKey := make(map[string]T, len(rows))
	for n := range rows {
		byKey[keyOf(&rows[n])] = rows[n]
	}
	list, missing, seen := make([]T, 0, len(keys)), []string(nil), make(map[string]bool, len(keys))
	for _, key := range keys {
		if seen[key] {
			continue
		}
		seen[key] = true
		if row, ok := byKey[key]; ok {
			list = append(list, row)
		} else {
			missing = append(missing, key)
		}
	}
	if missing != nil {
		return list, notFound(strings.Join(missing, ", "))
	}
	return list, nil
}

// registered makes a broken unique index the sentence about a thing that can
// belong to one stack only.
func registered(err error, field, what, deed string) error {
	if brokenIndex(err) != "" {
		return models.InvalidField(field, "%s is already registered with a stack: deregister it there first.", what).Because(err)
	}
	return wrap(err, "%s %s", deed, what)
}
