package oneorder

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"chat-service/internal/test/testkit/history"
)

// reports bounds how many findings of one kind are listed.
const reports = 20

// Check returns what in a history no single order of each room's entries explains; nothing: it is consistent. A room whose order isn't
// found, nor excluded, within limit is reported, too.
func Check(events []history.Event, limit time.Duration) (found []string) {
	r := &recorder{rooms: map[uint64]*room{}, views: map[view]uint64{}}
	for _, e := range events {
		r.take(e)
	}
	found = r.found
	for _, id := range slices.Sorted(maps.Keys(r.rooms)) {
		found = append(found, r.rooms[id].judge(id, limit)...)
	}
	return found
}

// entry is a message, by who sent it under which id. System messages have neither: sender 0.
type entry struct {
	sender uint64
	id     string
}

// room is what was seen of one room's log.
type room struct {
	at      map[uint64]entry // by seq
	seq     map[entry]uint64
	sends   map[entry]span
	sights  map[uint64]time.Duration // seq: when it was seen first
	content map[uint64]string        // by seq, of messages that nobody had changed
}

// span is from when a message was given to a client to its first acknowledgement, 0: none.
type span struct{ call, ack time.Duration }

// view is a client's part of a room's log.
type view struct {
	client string
	room   uint64
}

type recorder struct {
	rooms map[uint64]*room
	views map[view]uint64 // the last entry that was shown; 0: any may come next
	found []string
}

func (r *recorder) report(format string, args ...any) {
	if len(r.found) < reports {
		r.found = append(r.found, fmt.Sprintf(format, args...))
	}
}

func (r *recorder) room(id uint64) *room {
	if r.rooms[id] == nil {
		r.rooms[id] = &room{
			at: map[uint64]entry{}, seq: map[entry]uint64{}, sends: map[entry]span{}, sights: map[uint64]time.Duration{}, content: map[uint64]string{},
		}
	}
	return r.rooms[id]
}

func (r *recorder) take(e history.Event) {
	v := view{e.Client, e.Room}
	switch e.Kind {
	case history.Sent:
		x := r.room(e.Room)
		if k := (entry{e.User, e.ID}); x.sends[k] == (span{}) {
			x.sends[k] = span{call: e.At}
		}
	case history.Acked:
		x, k := r.room(e.Room), entry{e.User, e.ID}
		r.agree(x, e, e.Seq, k)
		if s := x.sends[k]; s.ack == 0 {
			s.ack = e.At
			x.sends[k] = s
		}
	case history.Received:
		x := r.room(e.Room)
		r.agree(x, e, e.Seq, entry{e.About, e.ID})
		if e.Seen == nil || e.Seen.Change == 0 {
			if first, known := x.content[e.Seq]; known && first != e.Content {
				r.report("room %d seq %d: %s received %q, somebody else %q", e.Room, e.Seq, e.Client, e.Content, first)
			}
			x.content[e.Seq] = e.Content
		}
		if _, known := x.sights[e.Seq]; !known {
			x.sights[e.Seq] = e.At
		}
	case history.Based, history.Left:
		delete(r.views, v)
	case history.Shown:
		if last := r.views[v]; last != 0 && e.Seq != last+1 {
			r.report("room %d: the view of %s goes from seq %d to %d", e.Room, e.Client, last, e.Seq)
		}
		r.views[v] = e.Seq
	}
}

// agree notes that an entry stands at a seq. Everybody must say the same.
func (r *recorder) agree(x *room, e history.Event, seq uint64, k entry) {
	if first, known := x.at[seq]; known && first != k {
		r.report("room %d seq %d is %s of user %d to %s, and was %s of user %d to somebody else", e.Room, seq, k.id, k.sender, e.Client, first.id, first.sender)
	}
	x.at[seq] = k
	if k.sender == 0 {
		return
	}
	if first, known := x.seq[k]; known && first != seq {
		r.report("room %d: %s of user %d stands at seq %d to %s, and at %d to somebody else", e.Room, k.id, k.sender, seq, e.Client, first)
	}
	x.seq[k] = seq
}

// log is the model of a room: its state is the seq of the last entry, an operation appends the entry of its output after that of its input.
// That is the only order there can be; without saying so the search would try them all. What isn't known of a log lies between: system
// messages, and what nobody saw.
var log = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) { return state == input, output },
}

// judge searches for an order of a room's entries.
func (x *room) judge(id uint64, limit time.Duration) (found []string) {
	known := x.known()
	ops, last := make([]porcupine.Operation, len(known)), uint64(0)
	for i, k := range known {
		ops[i] = porcupine.Operation{Input: last, Output: k.seq, Call: int64(k.call), Return: int64(k.by)}
		last = k.seq
	}
	switch porcupine.CheckOperationsTimeout(log, ops, limit) {
	case porcupine.Illegal:
		found = append(found, fmt.Sprintf("room %d: no order of its %d messages explains when they were sent, acknowledged and seen: %s", id, len(ops), early(known)))
	case porcupine.Unknown:
		found = append(found, fmt.Sprintf("room %d: no order of its %d messages was found within %v", id, len(ops), limit))
	}
	return found
}

// standing is a message that stands in the log: sent at call, and known to do so by its acknowledgement or because somebody saw it.
type standing struct {
	entry
	seq      uint64
	call, by time.Duration
}

// known returns the messages whose seqs are known, in their order. The others may never have been stored.
func (x *room) known() (all []standing) {
	for k, s := range x.sends {
		seq, stands := x.seq[k]
		if !stands {
			continue
		}
		by := s.ack
		if at, seen := x.sights[seq]; seen && (by == 0 || at < by) {
			by = at
		}
		all = append(all, standing{k, seq, min(s.call, by), by})
	}
	slices.SortFunc(all, func(a, b standing) int { return cmp.Compare(a.seq, b.seq) })
	return all
}

// early names a pair that contradicts time, as a hint.
func early(known []standing) string {
	var newest standing // with the latest call so far
	for _, k := range known {
		if k.by < newest.call {
			return fmt.Sprintf("%s of user %d was sent at %v, stands at seq %d, and %s of user %d at seq %d was known at %v",
				newest.id, newest.sender, newest.call, newest.seq, k.id, k.sender, k.seq, k.by)
		}
		if k.call > newest.call {
			newest = k
		}
	}
	return "no pair of them alone contradicts it"
}
