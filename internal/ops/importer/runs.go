package importer

import (
	"context"
	"slices"

	"chat-service/internal/chat"
)

// How many runs are kept before read pointers follow them, and how many go into one transaction.
const (
	maxRuns    = 5000
	maxSenders = 50_000
	runsAtOnce = 100
)

// runs are the stretches of imported messages that read pointers have still to follow. Pointers move when a room's import is through, or
// many rooms have waited, because a move costs a row for each member.
type runs struct {
	open    map[chat.RoomID]*chat.ImportedRun
	done    []chat.ImportedRun // others have written after them
	senders int
}

func newRuns() runs { return runs{open: map[chat.RoomID]*chat.ImportedRun{}} }

func (r *runs) full() bool { return len(r.open)+len(r.done) >= maxRuns || r.senders >= maxSenders }

// add notes a message that was imported, now or before.
func (r *runs) add(m *chat.Message) {
	run := r.open[m.Room]
	switch {
	case run == nil:
	case m.Ord <= run.Ord:
		return
	case m.Ord == run.Ord+1:
		r.extend(run, m)
		return
	default: // somebody wrote in between
		r.done = append(r.done, *run)
	}
	run = &chat.ImportedRun{Room: m.Room, Before: m.Ord - 1, Senders: map[chat.UserID]chat.ImportedEnd{}}
	r.open[m.Room] = run
	r.extend(run, m)
}

func (r *runs) extend(run *chat.ImportedRun, m *chat.Message) {
	run.Seq, run.Ord = m.Seq, m.Ord
	if _, there := run.Senders[m.Sender]; !there {
		r.senders++
	}
	run.Senders[m.Sender] = chat.ImportedEnd{Seq: m.Seq, Ord: m.Ord}
}

// storeRuns moves the read pointers: imported messages count as read.
func (im *Importer) storeRuns(ctx context.Context) error {
	all := im.runs.done
	for _, run := range im.runs.open {
		all = append(all, *run)
	}
	for some := range slices.Chunk(all, runsAtOnce) {
		if err := im.o.Store.ImportRead(ctx, some); err != nil {
			return err
		}
	}
	im.runs = newRuns()
	return nil
}
