//go:build integration

package store_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/changes"
	"chat-service/internal/store/db"
	"chat-service/internal/store/jobs"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/operator"
	"chat-service/internal/store/storetest"
	"chat-service/internal/store/storetest/backend"
	"chat-service/internal/store/storetest/identities"
	"chat-service/internal/store/storetest/webhooks"
)

// few are stores on one database, each opened as its role's user.
type few struct {
	env, name                      string
	api, worker, operator, migrate *store.Store
	raw                            map[operator.Role]*sql.DB
}

// granted makes a fresh database and the roles' users on it. The migration's user makes the schema.
func granted(t *testing.T, env string) *few {
	t.Helper()
	o := storetest.Fresh(t, env)
	o.Partitions, o.Limits = 8, storetest.ConformLimits()
	f := &few{env: env, name: o.DBName, raw: map[operator.Role]*sql.DB{}}
	admin, err := operator.Open(o)
	ok(t, err)
	t.Cleanup(func() { ok(t, admin.Close()) })
	open := func(r operator.Role) *store.Store {
		t.Helper()
		a := operator.Account{Name: o.DBName + "_" + string(r), From: "%", Role: r}
		t.Cleanup(func() { storetest.Exec(t, env, "DROP USER "+a.String()) })
		const password = "it's a password for tests"
		for range 2 { // to do it again changes nothing
			ok(t, admin.Grant(t.Context(), a, password))
		}
		own := o
		own.User, own.Password = a.Name, password
		s, err := store.Open(own)
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		c := storetest.Admin(t, env)
		c.User, c.Passwd, c.DBName = own.User, own.Password, own.DBName
		f.raw[r], err = sql.Open("mysql", c.FormatDSN())
		ok(t, err)
		t.Cleanup(func() { _ = f.raw[r].Close() })
		return s
	}
	f.migrate = open(operator.MigrationRole)
	ok(t, f.migrate.Operator.Migrate(t.Context()))
	f.api, f.worker, f.operator = open(operator.APIRole), open(operator.WorkerRole), open(operator.OperatorRole)
	return f
}

// The stores as the processes use them: each verb by the user of the process that calls it.
type (
	fewMessages struct {
		*messages.Store
		worker *messages.Store
	}
	fewChanges struct {
		*changes.Store
		worker *changes.Store
	}
	fewAccounts struct {
		*accounts.Store
		worker, operator *accounts.Store
	}
	fewJobs struct {
		*jobs.Store
		api *jobs.Store
	}
	fewFleet struct {
		*operator.Store
		operator *operator.Store
	}
)

func (m fewMessages) Append(ctx context.Context, ss []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error) {
	return m.worker.Append(ctx, ss, now)
}

func (m fewMessages) MarkRead(ctx context.Context, rs []chat.ReadMark) ([]chat.ReadState, error) {
	return m.worker.MarkRead(ctx, rs)
}

func (m fewMessages) Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error) {
	return m.worker.Messages(ctx, room, from, to, limit)
}

func (m fewMessages) Spans(ctx context.Context, spans []chat.Span, bytes int) ([]chat.Message, bool, error) {
	return m.worker.Spans(ctx, spans, bytes)
}

func (j fewJobs) StartErase(ctx context.Context, user chat.UserID) (chat.Job, bool, error) {
	return j.api.StartErase(ctx, user)
}

func (j fewJobs) Job(ctx context.Context, id chat.JobID) (chat.Job, error) { return j.api.Job(ctx, id) }

func (c fewChanges) Apply(ctx context.Context, batch []chat.Change, now time.Time) ([]chat.Changed, []chat.Head, error) {
	return c.worker.Apply(ctx, batch, now)
}

func (c fewChanges) ChangedSince(ctx context.Context, q chat.ChangesQuery) (chat.ChangesPage, error) {
	return c.worker.ChangedSince(ctx, q)
}

func (c fewChanges) States(ctx context.Context, room chat.RoomID, seqs []chat.Seq) ([]chat.Message, error) {
	return c.worker.States(ctx, room, seqs)
}

func (a fewAccounts) DisableUser(ctx context.Context, id chat.UserID) error {
	return a.operator.DisableUser(ctx, id)
}

func (a fewAccounts) SawUsers(ctx context.Context, at map[chat.UserID]time.Time) error {
	return a.worker.SawUsers(ctx, at)
}

func (a fewAccounts) Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error) {
	return a.worker.Logins(ctx, ids)
}

func (a fewAccounts) RevokedAmong(ctx context.Context, ids []chat.SessionID) ([]chat.SessionID, error) {
	return a.worker.RevokedAmong(ctx, ids)
}

func (f fewFleet) BumpEpoch(ctx context.Context, room chat.RoomID) error {
	return f.operator.BumpEpoch(ctx, room)
}

// fewKeys are kept by the operator, and looked up and marked as used by the api.
type fewKeys struct{ operator, api *accounts.Store }

func (k fewKeys) CreateKey(ctx context.Context, key chat.Key) error {
	return k.operator.CreateKey(ctx, key)
}

func (k fewKeys) Keys(ctx context.Context) ([]chat.Key, error) { return k.operator.Keys(ctx) }

func (k fewKeys) Key(ctx context.Context, id string) (chat.Key, error) { return k.api.Key(ctx, id) }

func (k fewKeys) KeyUsed(ctx context.Context, id string, at time.Time) error {
	return k.api.KeyUsed(ctx, id, at)
}

func (k fewKeys) RevokeKey(ctx context.Context, id string) error {
	return k.operator.RevokeKey(ctx, id)
}

// TestConformsWithFewRights: the users that `chatctl grants` makes can do all that their processes do, on both servers.
func TestConformsWithFewRights(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			f := granted(t, env)
			as := fewAccounts{f.api.Accounts, f.worker.Accounts, f.operator.Accounts}
			whole := storetest.SubjectOf(f.worker)
			whole.Messages, whole.Rooms, whole.Members, whole.Lists = fewMessages{f.api.Messages, f.worker.Messages}, f.api.Rooms, f.api.Rooms, f.api.Rooms
			changing := fewChanges{f.api.Changes, f.worker.Changes}
			whole.Changes, whole.Views = changing, changing
			whole.Accounts, whole.People, whole.Sessions, whole.Identities, whole.Logins = as, as, as, as, as
			whole.Fleet = fewFleet{f.worker.Operator, f.operator.Operator}
			storetest.Conform(t, whole)
			identities.Conform(t, whole)
			backend.Conform(t, whole, fewKeys{f.operator.Accounts, f.api.Accounts}, f.api.Rooms, f.api.Messages)
			backend.ConformJobs(t, whole, fewJobs{f.worker.Jobs, f.api.Jobs})
			t.Run("by the api", func(t *testing.T) { webhooks.Conform(t, whole, f.api.Webhooks, f.worker.Webhooks) })
			t.Run("by an operator", func(t *testing.T) { webhooks.Conform(t, whole, f.operator.Webhooks, f.worker.Webhooks) })
		})
	}
}

// TestOperatorsRights: what chatctl's verbs do, with the operator's user.
func TestOperatorsRights(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			f := granted(t, env)
			ctx := t.Context()
			for _, s := range []*store.Store{f.api, f.worker} {
				ok(t, s.Operator.AwaitReady(ctx))
			}
			us := makeUsers(t, f.api, 2)
			room := makeRoom(t, f.api, us...).Room
			ok(t, f.api.Accounts.OpenSession(ctx, chat.NewSession{Session: chat.Session{ID: "one", User: us[0], ExpiresAt: time.Now().Add(time.Hour)}, Until: time.Now().Add(time.Hour)}))
			o := f.operator
			ok(t, o.Operator.SchemaReady(ctx))
			ok(t, o.Accounts.RevokeSession(ctx, us[0], "one"))
			ok(t, o.Accounts.SetPassword(ctx, us[0], "", "hash", ""))
			ok(t, o.Accounts.DisableUser(ctx, us[0]))
			ok(t, o.Accounts.EnableUser(ctx, us[0]))
			_, err := o.Rooms.Appoint(ctx, room.ID, us[1])
			ok(t, err)
			storetest.Exec(t, env, "UPDATE "+f.name+".messages SET ord = ord + 7", "UPDATE "+f.name+".members SET read_count = read_count + 7",
				"UPDATE "+f.name+".rooms SET msg_count = msg_count + 7")
			ok(t, o.Operator.VerifyUnread(ctx, true, func(operator.Drift) {}))
			importAs(t, o, us[0])
			ok(t, o.Rooms.Close(ctx, room.ID))
			ok(t, o.Operator.BumpEpoch(ctx, room.ID))
			_, err = o.Operator.UserInfo(ctx, us[0])
			ok(t, err)
			_, err = o.Operator.RoomInfo(ctx, room.ID)
			ok(t, err)
			_, err = o.Operator.Totals(ctx)
			ok(t, err)
			if as, err := o.Audit.Acts(ctx, chat.ActQuery{Limit: 10}); err != nil || len(as) == 0 {
				t.Errorf("%d acts, %v", len(as), err)
			}
			_, err = o.Operator.Workers(ctx, time.Second)
			ok(t, err)
			_, err = o.Outbox.OutboxWaiting(ctx, []int{0})
			ok(t, err)
			_, _, err = f.worker.Operator.Burden(ctx)
			ok(t, err)
		})
	}
}

// importAs does what chatctl import does: all kinds of rows, a room whose making moves back in time, and read pointers.
func importAs(t *testing.T, o *store.Store, owner chat.UserID) {
	t.Helper()
	ctx := t.Context()
	made, err := o.Accounts.ImportUsers(ctx, []chat.ImportedUser{{Who: chat.External("7"), Nickname: "N", Email: "n@example.com"}}, false)
	ok(t, err)
	user := chat.UserID(made[0].ID)
	made, err = o.Rooms.ImportRooms(ctx, []chat.ImportedRoom{
		{Ext: "r", Type: chat.Group, Visibility: chat.Public, Name: "R", Owner: owner, Members: []chat.ImportedMember{{User: owner}}},
		{Ext: "d", Type: chat.Direct, Visibility: chat.Private, Members: []chat.ImportedMember{{User: owner, Role: chat.Plain}, {User: user, Role: chat.Plain}}},
	})
	ok(t, err)
	room := chat.RoomID(made[0].ID)
	sent, err := o.Messages.ImportMessages(ctx, []chat.ImportedMessage{{Room: room, Sender: user, ClientMsgID: "1", At: time.Now().Add(-time.Hour), Content: "hi", Undated: true}})
	ok(t, err)
	_, err = o.Rooms.ImportMembers(ctx, room, []chat.ImportedMember{{User: user, Role: chat.Admin}}, 0)
	ok(t, err)
	m := sent[0].Message
	ok(t, o.Messages.ImportRead(ctx, []chat.ImportedRun{{Room: room, Seq: m.Seq, Ord: m.Ord, Senders: map[chat.UserID]chat.ImportedEnd{user: {Seq: m.Seq, Ord: m.Ord}}}}))
	if sent[0].Err != nil || made[0].Err != nil || made[1].Err != nil {
		t.Errorf("%+v, %+v", sent, made)
	}
}

// denied are the servers' errors for a right that a user doesn't have: on a table, a column, a database, and to say so of DDL.
var denied = []uint16{1044, 1142, 1143, 1227}

func refusal(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(denied, e.Number)
}

// TestRightsAreFew tries every statement on every table as every role: what the table of rights doesn't name is refused.
func TestRightsAreFew(t *testing.T) {
	for _, env := range servers {
		t.Run(label(env), func(t *testing.T) {
			f := granted(t, env)
			a := operator.Account{Name: f.name + "_api", From: "%", Role: operator.APIRole}
			storetest.Exec(t, env, // too much, by an earlier release or by hand
				"GRANT DROP, SELECT ON `"+f.name+"`.* TO "+a.String(), "GRANT DELETE ON "+f.name+".messages TO "+a.String(),
				"GRANT UPDATE (content) ON "+f.name+".messages TO "+a.String(), "GRANT PROCESS ON *.* TO "+a.String())
			admin, err := operator.Open(optionsOf(t, env, f.name))
			ok(t, err)
			ok(t, admin.Grant(t.Context(), a, "another password"))
			ok(t, admin.Grant(t.Context(), a, "it's a password for tests"))
			ok(t, admin.Close())

			for role, raw := range f.raw {
				if role == operator.MigrationRole {
					continue
				}
				for _, table := range operator.AllRights() {
					f.tryTable(t, role, raw, table)
				}
				for _, q := range []string{
					"DROP TABLE audit", "TRUNCATE TABLE messages", "ALTER TABLE users ADD COLUMN x INT", "CREATE TABLE mine (x INT)",
					"CREATE INDEX x ON users (nickname)", "DROP DATABASE `" + f.name + "`", "CREATE DATABASE " + f.name + "_x",
					"SELECT 1 FROM mysql.user LIMIT 0", "CREATE USER x_" + f.name, "GRANT SELECT ON " + f.name + ".users TO " + a.String(),
					"SELECT 'x' INTO OUTFILE '/tmp/x_" + f.name + "'", "SET GLOBAL max_connections = 10",
				} {
					if err := try(t, raw, q); err == nil {
						t.Errorf("%s may %s", role, q)
					}
				}
			}
			for _, q := range []string{"CREATE DATABASE " + f.name + "_x", "SELECT 1 FROM mysql.user LIMIT 0", "CREATE USER x_" + f.name} {
				if err := try(t, f.raw[operator.MigrationRole], q); !refusal(err) {
					t.Errorf("the migration's user may %s: %v", q, err)
				}
			}
		})
	}
}

func optionsOf(t *testing.T, env, name string) (o db.Options) {
	t.Helper()
	c := storetest.Admin(t, env)
	host, port, _ := strings.Cut(c.Addr, ":")
	o = db.Options{Host: host, User: c.User, Password: c.Passwd, DBName: name}
	for _, digit := range port {
		o.Port = o.Port*10 + int(digit-'0')
	}
	return o
}

func try(t *testing.T, raw *sql.DB, q string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := raw.ExecContext(ctx, q)
	return err
}

// tryTable tries each statement, on no row, and compares with the table of rights.
func (f *few) tryTable(t *testing.T, role operator.Role, raw *sql.DB, table operator.TableRights) {
	t.Helper()
	may := table.Of(role)
	var columns []string
	c := storetest.Admin(t, f.env)
	all, err := sql.Open("mysql", c.FormatDSN())
	ok(t, err)
	defer all.Close()
	rows, err := all.QueryContext(t.Context(), "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?", f.name, table.Table)
	ok(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		ok(t, rows.Scan(&name))
		columns = append(columns, name)
	}
	ok(t, rows.Err())
	if len(columns) == 0 {
		t.Fatalf("there is no table %s", table.Table)
	}
	check := func(verb, q string, allowed bool) {
		t.Helper()
		switch err := try(t, raw, q); {
		case allowed && refusal(err): // another error, such as a column without a default, comes after the rights were judged
			t.Errorf("%s may not %s, which the table of rights grants: %v", role, q, err)
		case !allowed && !refusal(err):
			t.Errorf("%s may %s, which the table of rights doesn't grant (%v)", role, q, err)
		}
	}
	for _, column := range columns {
		check("SELECT", "SELECT "+column+" FROM "+table.Table+" LIMIT 0", granting(may, "SELECT", column))
		check("UPDATE", "UPDATE "+table.Table+" SET "+column+" = NULL WHERE 1 = 0", granting(may, "UPDATE", column))
	}
	check("INSERT", "INSERT INTO "+table.Table+" ("+columns[0]+") SELECT 1 FROM (SELECT 1 AS x) y WHERE 1 = 0", granting(may, "INSERT", columns[0]))
	check("DELETE", "DELETE FROM "+table.Table+" WHERE 1 = 0", granting(may, "DELETE", columns[0]))
}

// granting reads "SELECT, UPDATE (a, b)" in another way than the product does.
func granting(may, verb, column string) bool {
	_, after, found := strings.Cut(may, verb)
	if !found {
		return false
	}
	list, limited := strings.CutPrefix(after, " (")
	if !limited {
		return true
	}
	list, _, _ = strings.Cut(list, ")")
	return slices.Contains(strings.Split(list, ", "), column)
}
