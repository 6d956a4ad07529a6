package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"opsyard/models/store"
	"opsyard/models/store/storetest"
)

// schema lists the columns and indices of all tables.
func schema(t testing.TB, st *store.Store) []string {
	t.Helper()
	queries := []string{
		`SELECT 'column ' || m.name || '.' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || coalesce(c.dflt_value, '') || ' key ' || c.pk
			FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'`,
		`SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`,
	}
	if st.Dialect() == store.Postgres {
		queries = []string{
			`SELECT concat_ws(' ', 'column', table_name || '.' || column_name, data_type, character_maximum_length, is_nullable, column_default)
				FROM information_schema.columns WHERE table_schema = 'public'`,
			`SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'`,
		}
	}
	var lines []string
	for _, q := range queries {
		var some []string
		must(t, st.Gorm().Raw(q).Scan(&some).Error)
		lines = append(lines, some...)
	}
	lines = slices.DeleteFunc(lines, func(s string) bool {
		return strings.Contains(s, "schema_migrations") || strings.Contains(s, "sqlite_sequence")
	})
	slices.Sort(lines)
	return lines
}

// empty removes every table.
func empty(t testing.TB, st *store.Store) {
	t.Helper()
	if st.Dialect() == store.Postgres {
		change(t, st, "DROP SCHEMA public CASCADE")
		change(t, st, "CREATE SCHEMA public")
		return
	}
	must(t, st.Gorm().Migrator().DropTable("schema_migrations"))
	must(t, st.Gorm().Migrator().DropTable(store.Models()...))
}

// What the migrations make is what the models need.
func TestMigrationsMatchModels(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		migrated := schema(t, st)
		empty(t, st)
		must(t, st.Gorm().Migrator().AutoMigrate(store.Models()...))
		live := schema(t, st)
		if len(live) < 200 {
			t.Errorf("only %d columns and indices were found", len(live))
		}
		for _, line := range live {
			if !slices.Contains(migrated, line) {
				t.Errorf("a migration is missing for\n%s", line)
			}
		}
		for _, line := range migrated {
			if !slices.Contains(live, line) {
				t.Errorf("the models do not know of\n%s", line)
			}
		}
	})
}

// Servers that start together on an empty database migrate it once, and a
// migrated database opens again unchanged.
func TestMigrateTogetherAndAgain(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, store.Postgres) {
			empty(t, storetest.OpenURL(t, url))
		}
		stores := make([]*store.Store, 4)
		together(len(stores), func(n int) {
			st, err := store.Open(context.Background(), store.Config{URL: url, Secrets: storetest.Secrets()})
			if err != nil {
				t.Error(err)
				return
			}
			stores[n] = st
		})
		for _, st := range stores {
			if st != nil {
				defer st.Close()
			}
		}
		if t.Failed() {
			return
		}
		before := schema(t, stores[0])
		storetest.Stack(t, stores[0])
		again := storetest.OpenURL(t, url)
		equal(t, schema(t, again), before)
		list, err := again.Stacks.List(t.Context())
		must(t, err)
		equal(t, len(list), 1)
	})
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		change(t, storetest.OpenURL(t, url), "INSERT INTO schema_migrations (id) VALUES ('9999')")
		_, err := store.Open(context.Background(), store.Config{URL: url, Secrets: storetest.Secrets()})
		if err == nil {
			t.Fatal("it was opened")
		}
		holds(t, err.Error(), "made or changed by a newer Opsyard")
	})
}

// Writers of two servers and many readers on one file never see it locked.
func TestManyWritersAndReaders(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		const workers, each = 12, 15
		ctx, one, two := t.Context(), storetest.OpenURL(t, url), storetest.OpenURL(t, url)
		stack := storetest.Stack(t, one).ID
		together(workers, func(n int) {
			st := []*store.Store{one, two}[n%2]
			for k := range each {
				err := st.Tx(ctx, func(tx *store.Store) error {
					if _, err := tx.Stacks.GetForUpdate(ctx, stack); err != nil {
						return err
					}
					if _, err := tx.Stacks.BumpVersion(ctx, stack); err != nil {
						return err
					}
					return tx.Events.Append(ctx, eventOf(stack, fmt.Sprint(n, k)))
				})
				if err != nil {
					t.Error(err)
				}
				if err := st.Events.Append(ctx, eventOf(stack, "alone")); err != nil {
					t.Error(err)
				}
				if _, err := st.Events.InStack(ctx, stack, 0, 20); err != nil {
					t.Error(err)
				}
			}
		})
		s, err := one.Stacks.Get(ctx, stack)
		must(t, err)
		equal(t, s.Version, int64(workers*each))
		events, err := two.Events.InStack(ctx, stack, 0, 10*workers*each)
		must(t, err)
		equal(t, len(events), 2*workers*each)
	})
}

// The statements of each Configure find their rows by instance and status.
func TestHotPathsUseTheirIndex(t *testing.T) {
	t.Parallel()
	st := storetest.Open(t)
	for _, query := range store.HotPaths {
		var plan []struct{ Detail string }
		ids := []string{"a", "b", "c"}
		must(t, st.Gorm().Raw("EXPLAIN QUERY PLAN "+query, noon, ids, "x").Scan(&plan).Error)
		text := fmt.Sprint(plan)
		holds(t, text, "USING INDEX command_instance_status (instance_id=? AND status=?)")
		lacks(t, text, "SCAN")
	}
}
