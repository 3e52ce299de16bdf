package messages

import (
	"strconv"

	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Recalled counts recalled messages above read pointers, where there may be some. It is a statement of its own because a
// subquery beside each row, like table.RecalledUnread, costs MySQL half of what it costs to read one room and member,
// even where it is never run.
type Recalled struct {
	q    db.Query
	into []*uint64
}

// Add asks how many there are above a pointer that counts so many messages, as of the changes that the room had when it
// was read.
func (r *Recalled) Add(room *table.Room, pointer uint64, into *uint64) {
	*into = 0
	if room.Recalled <= pointer {
		return
	}
	if len(r.into) > 0 {
		r.q.Add(" UNION ALL ")
	}
	r.q.Add("SELECT "+strconv.Itoa(len(r.into))+", COUNT(*) FROM recalls k WHERE k.room_id = ? AND k.ord > ? AND k.change_seq <= ?",
		room.ID, pointer, room.Changes)
	r.into = append(r.into, into)
}

// Count fills in what was asked for.
func (r *Recalled) Count(tx db.Tx) error {
	var i, n uint64
	r.q.Into([]any{table.Number(&i), table.Number(&n)}, func() { *r.into[i] = n })
	return tx.Ask(r.q)
}
