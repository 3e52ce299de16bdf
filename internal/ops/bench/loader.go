package bench

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"chat-service/internal/chat"
)

const (
	historyPool = "history"
	loadRows    = 1000   // per INSERT and commit
	loadWriters = 4      // rooms being filled at once
	smallRoom   = 10_000 // messages of each room but the big one
)

// loaded is a history that an earlier run has filled.
type loaded struct {
	Room     uint64 `json:"room"` // the big one
	Big      int    `json:"big"`  // its messages
	Messages int    `json:"messages"`
}

// openMySQL opens the product's database.
func openMySQL(dsn string) (*sql.DB, error) {
	if dsn == "" {
		return nil, errors.New("the address of MySQL is missing: give it with --mysql")
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("mysql address: %w", err)
	}
	cfg.InterpolateParams, cfg.ParseTime = true, true
	con, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("mysql address: %w", err)
	}
	return sql.OpenDB(con), nil
}

// loadHistory fills the tables directly, as if the messages had been sent over years: users are created by the API; rooms,
// members and messages are written by SQL, before any process has seen these rooms, so that no cache can contradict them.
func (b *bench) loadHistory(ctx context.Context) (loaded, error) {
	want := loaded{Big: b.plan.BigRoom, Messages: b.plan.Messages}
	if h := b.accounts.kept.History; h != nil && h.Big == want.Big && h.Messages == want.Messages {
		return *h, nil
	}
	users, err := b.accounts.users(ctx, historyPool, clients)
	if err != nil {
		return want, err
	}
	db, err := openMySQL(b.sys.MySQL)
	if err != nil {
		return want, err
	}
	defer db.Close()
	ld := loader{db: db, users: users, text: text(b.plan.Payload), say: b.say, total: want.Messages, begin: time.Now()}
	if err := ld.partitions(ctx); err != nil {
		return want, err
	}
	b.say("filling %d messages by SQL", want.Messages)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(loadWriters)
	g.Go(func() (err error) {
		want.Room, err = ld.room(gctx, want.Big)
		return err
	})
	for rest := want.Messages - want.Big; rest > 0; rest -= smallRoom {
		g.Go(func() error {
			_, err := ld.room(gctx, min(rest, smallRoom))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return want, fmt.Errorf("fill the history: %w", err)
	}
	b.say("filled at %.0f rows/s", float64(want.Messages)/time.Since(ld.begin).Seconds())
	b.accounts.kept.History = &want
	return want, b.accounts.save()
}

type loader struct {
	db    *sql.DB
	users []uint64
	text  string
	parts int
	say   Progress
	total int
	begin time.Time
	done  atomic.Int64
}

func (l *loader) partitions(ctx context.Context) error {
	var v string
	err := l.db.QueryRowContext(ctx, "SELECT v FROM meta WHERE k = 'partitions'").Scan(&v)
	if err == nil {
		l.parts, err = strconv.Atoi(v)
	}
	if err != nil || l.parts < 1 {
		return fmt.Errorf("read the number of partitions: %q %w", v, err)
	}
	return nil
}

// room creates a room of n messages and returns its id.
func (l *loader) room(ctx context.Context, n int) (uint64, error) {
	now := time.Now().UTC().Add(-24 * time.Hour) // so that it doesn't count as active
	res, err := l.db.ExecContext(ctx, "INSERT INTO rooms (type, name, visibility, owner_id, member_count, active_at, created_at) VALUES ('group', 'history', 'private', ?, ?, ?, ?)",
		l.users[0], len(l.users), now, now)
	if err != nil {
		return 0, err
	}
	last, err := res.LastInsertId()
	if err != nil {
		return 0, err
	}
	id := uint64(last)
	for from := 1; from <= n; from += loadRows {
		if _, err := l.db.ExecContext(ctx, l.insert(id, from, min(from+loadRows-1, n), now)); err != nil {
			return 0, err
		}
		if done := l.done.Add(loadRows); done%500_000 == 0 {
			l.say("%d of %d messages (%.0f/s)", done, l.total, float64(done)/time.Since(l.begin).Seconds())
		}
	}
	for i, u := range l.users {
		role := "member"
		if i == 0 {
			role = "owner"
		}
		if _, err := l.db.ExecContext(ctx, "INSERT INTO members (room_id, user_id, role, visible_from, read_seq, read_count, joined_at) VALUES (?, ?, ?, 1, 0, 0, ?)", id, u, role, now); err != nil {
			return 0, err
		}
	}
	_, err = l.db.ExecContext(ctx, "UPDATE rooms SET last_seq = ?, msg_count = ?, partition_no = ? WHERE id = ?", n, n, chat.PartitionOf(id, l.parts), id)
	return id, err
}

// insert is one multi-row INSERT in the order of the primary key. Every value in it is a number or the tool's own text.
func (l *loader) insert(room uint64, from, to int, at time.Time) string {
	sum := sha256.Sum256([]byte(l.text))
	tail := ",0x" + hex.EncodeToString(sum[:16]) + ",'" + l.text + "','" + at.Format("2006-01-02 15:04:05.000000") + "')"
	var b strings.Builder
	b.Grow((to - from + 1) * (len(tail) + 80))
	b.WriteString("INSERT INTO messages (room_id, seq, ord, kind, sender_id, client_msg_id, body_hash, content, created_at) VALUES ")
	for seq := from; seq <= to; seq++ {
		if seq > from {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "(%d,%d,%d,'text',%d,'h%012d'%s", room, seq, seq, l.users[seq%len(l.users)], seq, tail)
	}
	return b.String()
}
