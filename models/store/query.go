package store

import (
	"context"
	"fmt"
	"slices"

	"opsyard/models"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// batch bounds the values of one statement, far below the limits of both
// databases.
const batch = 500

// get reads one row by its key.
func get[T any, ID ~string](db *gorm.DB, kind string, id ID) (*T, error) {
	var row T
	if err := db.Where("id = ?", id).Take(&row).Error; err != nil {
		return nil, found(err, kind, id)
	}
	return &row, nil
}

// forUpdate locks what is read until the transaction ends; on SQLite the one
// writer is lock enough.
func forUpdate(db *gorm.DB) *gorm.DB {
	if db.Name() == SQLite {
		return db
	}
	return db.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
}

// keep makes sure that what a new row belongs to is there, and stays until the
// transaction ends.
func keep[ID ~string](ctx context.Context, h *handle, table, kind string, ids ...ID) error {
	query := "SELECT id FROM " + table + " WHERE id IN ?"
	if h.dialect == Postgres {
		query += " FOR KEY SHARE"
	}
	var there []ID
	if err := h.w(ctx).Raw(query, ids).Scan(&there).Error; err != nil {
		return wrap(err, "read %s", table)
	}
	for _, id := range ids {
		if !slices.Contains(there, id) {
			return models.NotFound(kind, id)
		}
	}
	return nil
}

// byIDs reads rows in the order of their ids, each once. A missing one is a
// NotFound that names all that are missing.
func byIDs[T any, ID ~string](db *gorm.DB, kind string, ids []ID, idOf func(*T) ID) ([]T, error) {
	var all []T
	for part := range chunks(ids, batch) {
		var some []T
		if err := db.Where("id IN ?", part).Find(&some).Error; err != nil {
			return nil, wrap(err, "read %s by id", kind)
		}
		all = append(all, some...)
	}
	given := make([]string, len(ids))
	for n, id := range ids {
		given[n] = string(id)
	}
	return inOrder(all, given, func(row *T) string { return string(idOf(row)) }, func(missing string) error {
		return models.NotFound(kind, missing)
	})
}

// find reads all rows of a query.
func find[T any](db *gorm.DB, deed string, args ...any) ([]T, error) {
	var rows []T
	if err := db.Find(&rows).Error; err != nil {
		return nil, wrap(err, deed, args...)
	}
	return rows, nil
}

// save writes a whole row by its key, but for the columns that have an owner
// of their own.
func save(db *gorm.DB, row any, kind string, id any, except ...string) error {
	result := db.Model(row).Select("*").Omit(append(except, "id", "created_at")...).Updates(row)
	return affected(result, "save", kind, id)
}

func chunks[T any](list []T, size int) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(list) > 0 {
			n := min(size, len(list))
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// counter is a number that only grows. Its row is locked until the transaction
// ends, so numbers appear in order and without holes.
type counter struct {
	Name  string `gorm:"primaryKey;size:64"`
	Value int64  `gorm:"not null"`
}

func (counter) TableName() string { return "counters" }

// reserve takes the next n numbers and returns the first.
func (h *handle) reserve(ctx context.Context, name string, n int) (first int64, err error) {
	var last int64
	err = h.w(ctx).Raw(`INSERT INTO counters (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value RETURNING value`, name, n).Scan(&last).Error
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", name, err)
	}
	return last - int64(n) + 1, nil
}

// tally is a row of a grouped count.
type tally struct {
	ID     string
	Status string
	N      int
}
