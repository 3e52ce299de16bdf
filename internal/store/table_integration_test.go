//go:build integration

package store_test

import (
	"slices"
	"strings"
	"testing"

	"chat-service/internal/store/table"
)

// TestTablesAreTheSchema compares the columns that package table lists with those of a migrated database. A column that
// a migration added must be listed there, or be named in table.Elsewhere with a reason.
func TestTablesAreTheSchema(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			_, raw := openRaw(t, env)
			rows, err := raw.QueryContext(ctx, "SELECT table_name, column_name FROM information_schema.columns"+
				" WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%'")
			ok(t, err)
			defer rows.Close()
			schema := map[string]bool{}
			for rows.Next() {
				var tab, col string
				ok(t, rows.Scan(&tab, &col))
				schema[tab+"."+col] = true
			}
			ok(t, rows.Err())
			elsewhere := table.Elsewhere()
			named := func(col string) bool {
				tab, _, _ := strings.Cut(col, ".")
				return elsewhere[col] != "" || elsewhere[tab+".*"] != ""
			}
			listed := map[string]bool{}
			for _, tab := range table.All() {
				for _, col := range tab.Columns {
					col = tab.Name + "." + col
					if listed[col] {
						t.Errorf("%s is listed twice", col)
					}
					if listed[col] = true; !schema[col] {
						t.Errorf("%s is in package table and not in the schema", col)
					}
					if named(col) {
						t.Errorf("%s is in package table and named as managed elsewhere", col)
					}
				}
			}
			for col := range schema {
				if !listed[col] && !named(col) {
					t.Errorf("%s is in the schema and neither in package table nor named in table.Elsewhere", col)
				}
			}
			for col := range elsewhere {
				tab, _ := strings.CutSuffix(col, "*")
				if !schema[col] && !slices.ContainsFunc(keys(schema), func(c string) bool { return tab != col && strings.HasPrefix(c, tab) }) {
					t.Errorf("%s is named as managed elsewhere and not in the schema", col)
				}
			}
		})
	}
}

func keys[K comparable, V any](m map[K]V) (ks []K) {
	for k := range m {
		ks = append(ks, k)
	}
	return ks
}
