package store

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"chat-service/internal/chat"
)

// statement is SQL under construction with its arguments.
type statement struct {
	text strings.Builder
	args []any
}

// add appends text and the arguments of its question marks.
func (s *statement) add(text string, args ...any) {
	s.text.WriteString(text)
	s.args = append(s.args, args...)
}

// exec runs it and returns the number of rows it met. Like each it goes past gorm's builder straight to gorm's
// connection: the builder takes a []byte behind a parenthesis for a list of numbers, silently.
func (s *statement) exec(g *gorm.DB) (int64, error) {
	res, err := g.Statement.ConnPool.ExecContext(g.Statement.Context, s.text.String(), s.args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// each runs it and calls fn for every row, to be scanned by hand: this is the hot path.
func (s *statement) each(g *gorm.DB, fn func(*sql.Rows) error) error {
	rows, err := g.Statement.ConnPool.QueryContext(g.Statement.Context, s.text.String(), s.args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := fn(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// scan runs it and fills dest, a slice or a struct.
func (s *statement) scan(g *gorm.DB, dest any) error {
	return g.Raw(s.text.String(), s.args...).Scan(dest).Error
}

// places appends "(room, user) IN ((?,?), …)". Both servers look such tuples up in an index, and plan them three
// times faster than the same written with OR (measured with 80).
func (s *statement) places(cols string, at []place) {
	s.add("(" + cols + ") IN (")
	for i, p := range at {
		s.add(comma(i)+"(?,?)", p.room, p.user)
	}
	s.add(")")
}

// caseByPlace appends a CASE over (room_id, user_id) with the values that pick gives.
func (s *statement) caseByPlace(at []place, pick func(place) uint64) {
	s.add("CASE room_id")
	for i, p := range at {
		if i == 0 || at[i-1].room != p.room {
			s.add(" WHEN ? THEN CASE user_id", p.room)
		}
		s.add(" WHEN ? THEN ?", p.user, pick(p))
		if i+1 == len(at) || at[i+1].room != p.room {
			s.add(" END")
		}
	}
	s.add(" END")
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// place is a user in a room.
type place struct {
	room chat.RoomID
	user chat.UserID
}

// sortedPlaces returns them by room, then user, each once: the order in which rows are locked.
func sortedPlaces(ps []place) []place {
	slices.SortFunc(ps, func(a, b place) int {
		switch {
		case a.room < b.room || a.room == b.room && a.user < b.user:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	return slices.Compact(ps)
}

// sortedIDs returns ids ascending, each once, without zero.
func sortedIDs[T ~uint64](ids []T) []T {
	out := slices.Clone(ids)
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > 0 && out[0] == 0 {
		out = out[1:]
	}
	return out
}

// likePrefix and likeAny are LIKE patterns that take s literally.
func likePrefix(s string) string { return likeEscaper.Replace(s) + "%" }
func likeAny(s string) string    { return "%" + likeEscaper.Replace(s) + "%" }

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// cursorOf writes a keyset position (a time and an id) as an opaque string.
func cursorOf(t time.Time, id uint64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", t.UnixMicro(), id))
}

// parseCursor reads what cursorOf wrote; ok is false for the empty cursor.
func parseCursor(s string) (t time.Time, id uint64, ok bool, err error) {
	if s == "" {
		return time.Time{}, 0, false, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	var us int64
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "%d.%d", &us, &id)
	}
	if err != nil || us < 0 || us > maxMicros {
		return time.Time{}, 0, false, chat.BadField("cursor", "is none that this server has given")
	}
	return time.UnixMicro(us).UTC(), id, true, nil
}

// maxMicros is the end of the year 9999, the last that DATETIME holds.
const maxMicros = 253402300799999999
