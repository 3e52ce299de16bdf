package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/skeleton"
	"chat-service/internal/store/table"
)

// Externals returns the accounts of the application's own ids, of those that have one.
func (s *Store) Externals(ctx context.Context, ids []string) (found map[string]chat.UserID, err error) {
	if len(ids) == 0 {
		return map[string]chat.UserID{}, nil
	}
	err = s.d.Retry(ctx, "read identities", func(tx db.Tx) error {
		found, err = externals(tx, ids)
		return err
	})
	return found, err
}

func externals(tx db.Tx, ids []string) (map[string]chat.UserID, error) {
	found := make(map[string]chat.UserID, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	key := chat.External("").IssuerKey()
	var q db.Statement
	q.Add("SELECT "+table.Identities.Select()+" FROM identities i WHERE i.issuer = ? AND i.subject IN (", key[:])
	for i, id := range ids {
		q.Add(db.Comma(i)+"?", []byte(id))
	}
	q.Add(")")
	rows, err := db.Collect(tx, &q, table.Identities.Cells)
	for _, r := range rows {
		found[r.Subject] = r.User
	}
	return found, err
}

// importTries is how often a batch is judged anew because somebody else took a name meanwhile.
const importTries = 5

// ImportUsers makes an account for each identity that has none, in one transaction; out[i] answers us[i]. An account that is there stays
// as it is. UsernameTaken, also by one that looks the same, and EmailTaken: then that user alone isn't made. With dry nothing is made, and
// whoever would be has the id 0.
func (s *Store) ImportUsers(ctx context.Context, us []chat.ImportedUser, dry bool) (out []chat.Imported, err error) {
	if len(us) == 0 {
		return nil, nil
	}
	for range importTries {
		b := &imports{out: make([]chat.Imported, len(us)), dry: dry}
		err = s.d.Tx(ctx, "import users", db.Repeatable, func(tx db.Tx) error {
			*b = imports{out: make([]chat.Imported, len(us)), dry: dry}
			if err := b.judge(tx, us, s.d.Now()); err != nil || dry || len(b.fresh) == 0 {
				return err
			}
			return b.make(tx)
		})
		if out = b.out; !db.Duplicate(err, "users_") && !db.Duplicate(err, "PRIMARY") {
			break
		}
	}
	return out, err
}

// imports is one batch of users in a transaction.
type imports struct {
	out   []chat.Imported
	dry   bool
	fresh []newcomer
}

// newcomer is an account to be made, and whose outcome it is.
type newcomer struct {
	chat.User
	who chat.Identity
	i   int
}

// judge finds out who is there already, and whose names are taken: by others, or by users before them in the batch.
func (b *imports) judge(tx db.Tx, us []chat.ImportedUser, now time.Time) error {
	ids := make([]string, len(us))
	for i, u := range us {
		ids[i] = u.Who.Subject
	}
	known, err := externals(tx, ids)
	if err != nil {
		return err
	}
	for i, u := range us {
		if id, there := known[u.Who.Subject]; there {
			b.out[i] = chat.Imported{ID: uint64(id), Known: true}
			continue
		}
		n := newcomer{chat.User{
			Username: cmp.Or(u.Username, u.Who.Username()), Nickname: u.Nickname, Email: u.Email, Status: chat.Active, CreatedAt: db.Micros(u.CreatedAt),
		}, u.Who, i}
		if u.CreatedAt.IsZero() {
			n.CreatedAt = now
		}
		b.fresh = append(b.fresh, n)
	}
	names, looks, emails, err := b.taken(tx)
	if err != nil {
		return err
	}
	here := b.fresh
	b.fresh = nil
	for _, n := range here {
		look := skeleton.Of(n.Username)
		switch {
		case names[n.Username]:
			b.out[n.i].Err = chat.E(chat.UsernameTaken, "the username is taken")
		case looks[look]:
			b.out[n.i].Err = chat.E(chat.UsernameTaken, "the username looks like one that is taken")
		case n.Email != "" && emails[n.Email]:
			b.out[n.i].Err = chat.E(chat.EmailTaken, "the email address is in use")
		default:
			names[n.Username], looks[look], emails[n.Email] = true, true, true
			b.fresh = append(b.fresh, n)
		}
	}
	return nil
}

// taken looks up which of the newcomers' usernames, skeletons and addresses are in use.
func (b *imports) taken(tx db.Tx) (names, looks, emails map[string]bool, err error) {
	var ns, ls, es []any
	for _, n := range b.fresh {
		ns, ls = append(ns, n.Username), append(ls, []byte(skeleton.Of(n.Username)))
		if n.Email != "" {
			es = append(es, n.Email)
		}
	}
	if names, err = used(tx, "username", ns); err != nil {
		return nil, nil, nil, err
	}
	if looks, err = used(tx, "skeleton", ls); err != nil {
		return nil, nil, nil, err
	}
	emails, err = used(tx, "email", es)
	return names, looks, emails, err
}

// used returns which of the values a column of users holds.
func used(tx db.Tx, column string, values []any) (map[string]bool, error) {
	have := map[string]bool{}
	if len(values) == 0 {
		return have, nil
	}
	var q db.Statement
	q.Add("SELECT " + column + " FROM users WHERE " + column + " IN (")
	db.List(&q, values)
	q.Add(")")
	err := q.Each(tx, func(rows *sql.Rows) error {
		var v string
		err := rows.Scan(&v)
		have[v] = true
		return err
	})
	return have, err
}

// make inserts the newcomers with their identities. The server gives the ids; which is whose is read by their usernames.
func (b *imports) make(tx db.Tx) error {
	var people, find, identities db.Statement
	people.Add(table.Users.Insert())
	find.Add("SELECT " + table.Names.Select() + " FROM users u WHERE u.username IN (")
	for i := range b.fresh {
		people.Add(db.Comma(i)+table.Users.Marks(), table.Users.Values(&b.fresh[i].User)...)
		find.Add(db.Comma(i)+"?", b.fresh[i].Username)
	}
	find.Add(")")
	if _, err := people.Exec(tx); err != nil {
		return err
	}
	rows, err := db.Collect(tx, &find, table.Names.Cells)
	if err != nil {
		return err
	}
	ids := make(map[string]chat.UserID, len(rows))
	for _, r := range rows {
		ids[r.Username] = r.ID
	}
	identities.Add(table.Identities.Insert())
	for i, n := range b.fresh {
		b.out[n.i].ID = uint64(ids[n.Username])
		row := table.Identity{Issuer: n.who.IssuerKey(), Subject: n.who.Subject, User: ids[n.Username], CreatedAt: n.CreatedAt}
		identities.Add(db.Comma(i)+table.Identities.Marks(), table.Identities.Values(&row)...)
	}
	_, err = identities.Exec(tx)
	return err
}
