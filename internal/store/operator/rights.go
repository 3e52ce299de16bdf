package operator

import (
	"slices"
	"strings"
)

// Role is a process with an SQL user of its own.
type Role string

// The roles. Gateways use no SQL.
const (
	APIRole       Role = "api"
	WorkerRole    Role = "worker"
	OperatorRole  Role = "operator"  // chatctl, but for migrate and grants
	MigrationRole Role = "migration" // chatctl migrate
)

// Roles lists them.
func Roles() []Role { return []Role{APIRole, WorkerRole, OperatorRole, MigrationRole} }

// TableRights are what each role may do with a table: statements, some of them limited to columns; "" is nothing.
type TableRights struct {
	Table                 string
	API, Worker, Operator string
}

// AllRights lists every table of the schema. The migration's user has MigrationRights on the whole database instead.
func AllRights() []TableRights {
	return []TableRights{
		{"meta", "SELECT, INSERT", "SELECT, INSERT, DELETE", "SELECT, UPDATE (v)"},
		{"workers", "SELECT (beat_at)", "SELECT, INSERT, UPDATE, DELETE", "SELECT"},
		{
			"users", "SELECT, INSERT, UPDATE", "SELECT, UPDATE (last_seen, skeleton)",
			"SELECT, INSERT, UPDATE (status, password_hash, username, skeleton, nickname, nickname_key, email, avatar_url, last_seen, erased_at)",
		},
		{"sessions", "SELECT, INSERT, UPDATE", "SELECT, DELETE", "SELECT, UPDATE (revoked_at, device, ip, origin)"},
		{"refresh_tokens", "SELECT, INSERT, UPDATE (used_at), DELETE", "SELECT (session_id), DELETE", ""},
		{"identities", "SELECT, INSERT", "SELECT, DELETE", "SELECT, INSERT"},
		{"api_keys", "SELECT, UPDATE (last_used_at)", "", "SELECT, INSERT, UPDATE (revoked_at)"},
		{"rooms", "SELECT, INSERT, UPDATE", "SELECT, UPDATE", "SELECT, INSERT, UPDATE"},
		{"members", "SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE"},
		{"external_rooms", "SELECT, INSERT", "SELECT", "SELECT, INSERT"},
		{"room_names", "SELECT, INSERT, UPDATE, DELETE", "SELECT, INSERT, UPDATE, DELETE", "SELECT (room_id), INSERT, DELETE"},
		{"room_parts", "SELECT, INSERT, DELETE", "SELECT, INSERT, DELETE", "SELECT (room_id), INSERT, DELETE"},
		{"messages", "SELECT, INSERT, UPDATE (kind, content, data)", "SELECT, INSERT, UPDATE (kind, content, data, body_hash)", "SELECT, INSERT, UPDATE (ord, created_at)"},
		{"message_state", "SELECT, INSERT, UPDATE", "SELECT, INSERT, UPDATE", "SELECT"},
		{"reactions", "SELECT, INSERT, DELETE", "SELECT, INSERT, DELETE", ""},
		{"pins", "SELECT, INSERT, DELETE", "SELECT, INSERT, DELETE", ""},
		{"recalls", "SELECT, INSERT", "SELECT, INSERT", "SELECT, INSERT, DELETE"},
		{"recalled_reactions", "INSERT", "SELECT, INSERT, DELETE", ""},
		{"sender_cursors", "", "SELECT, INSERT, UPDATE, DELETE", ""},
		{"room_changes", "SELECT, INSERT", "SELECT, INSERT, UPDATE (hash, payload)", "SELECT"},
		{"outbox", "INSERT", "SELECT, INSERT, DELETE", "SELECT, INSERT"},
		{"dead_commands", "", "SELECT, INSERT, DELETE", "SELECT, DELETE"},
		{"jobs", "SELECT, INSERT", "SELECT, UPDATE, DELETE", "SELECT, INSERT"},
		{"audit", "SELECT, INSERT", "SELECT (at), INSERT, DELETE", "SELECT, INSERT"},
		{"webhooks", "SELECT, INSERT, UPDATE, DELETE", "SELECT, UPDATE (failing_since, disabled_at, disabled_why, swept_at, swept_by, swept_until)", "SELECT, INSERT, UPDATE, DELETE"},
		{"webhook_rooms", "SELECT, UPDATE, DELETE", "SELECT, INSERT, UPDATE", "SELECT, UPDATE, DELETE"},
		{"webhook_events", "SELECT (webhook_id), INSERT, DELETE", "SELECT, INSERT, DELETE", "SELECT (webhook_id), INSERT, DELETE"},
		{"webhook_attempts", "SELECT, DELETE", "SELECT, INSERT, DELETE", "SELECT, DELETE"},
		{"goose_db_version", "SELECT", "SELECT", "SELECT"},
	}
}

// MigrationRights are those of the migration's user on the database. CREATE is also the right to create it.
const MigrationRights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP"

// Of returns what a role may do with the table.
func (t TableRights) Of(r Role) string {
	switch r {
	case APIRole:
		return t.API
	case WorkerRole:
		return t.Worker
	case OperatorRole:
		return t.Operator
	default:
		return ""
	}
}

// Account is a user of the server and where it may connect from, such as chat_api from '%'.
type Account struct {
	Name, From string
	Role       Role
}

func (a Account) String() string { return literal(a.Name) + "@" + literal(a.From) }

// Grants are the statements that give the account its role's rights. Each may be repeated.
func (a Account) Grants(database string) (qs []string) {
	if a.Role == MigrationRole {
		return []string{"GRANT " + MigrationRights + " ON " + pattern(database) + ".* TO " + a.String()}
	}
	for _, t := range AllRights() {
		if rights := t.Of(a.Role); rights != "" {
			qs = append(qs, "GRANT "+rights+" ON "+quoted(database)+"."+t.Table+" TO "+a.String())
		}
	}
	return qs
}

// pattern quotes a database's name where the server would take _ and % as wildcards.
func pattern(name string) string {
	return quoted(strings.NewReplacer("_", `\_`, "%", `\%`).Replace(name))
}

// literal is a string in SQL, whatever sql_mode says of backslashes: names and passwords contain none (see plain).
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// rights splits "SELECT, UPDATE (a, b)" into statements and, by statement, columns.
func rights(text string) map[string][]string {
	out := map[string][]string{}
	for text != "" {
		var verb string
		end := strings.IndexAny(text, ",(")
		if end < 0 {
			end = len(text)
		}
		verb, text = strings.TrimSpace(text[:end]), text[end:]
		out[verb] = nil
		if strings.HasPrefix(text, "(") {
			columns, rest, _ := strings.Cut(text[1:], ")")
			for c := range strings.SplitSeq(columns, ",") {
				out[verb] = append(out[verb], strings.TrimSpace(c))
			}
			text = rest
		}
		text = strings.TrimPrefix(strings.TrimSpace(text), ",")
	}
	return out
}

// found is a right that a server says an account has: on a column, on a table (no column), on a database (no table either), or on all.
type found struct{ verb, schema, table, column string }

// needed reports whether a role needs it, in the installation's database.
func (f found) needed(r Role, database string) bool {
	if f.table == "" {
		_, ok := rights(MigrationRights)[f.verb]
		return ok && r == MigrationRole && strings.ReplaceAll(f.schema, `\`, "") == database
	}
	i := slices.IndexFunc(AllRights(), func(t TableRights) bool { return t.Table == f.table })
	if i < 0 || f.schema != database {
		return false
	}
	columns, ok := rights(AllRights()[i].Of(r))[f.verb]
	return ok && (f.column == "" && columns == nil || slices.Contains(columns, f.column))
}

// revoke takes it away.
func (f found) revoke(a Account) string {
	verb, on := f.verb, "*.*"
	switch {
	case f.table != "":
		on = quoted(f.schema) + "." + quoted(f.table)
	case f.schema != "":
		on = quoted(f.schema) + ".*"
	}
	if f.column != "" {
		verb += " (" + quoted(f.column) + ")"
	}
	return "REVOKE " + verb + " ON " + on + " FROM " + a.String()
}
