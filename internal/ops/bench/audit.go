package bench

import (
	"context"
	"fmt"
	"strings"
)

// Track follows one room on one connection: which seqs came, as acks or as messages, and whether each came once and in
// order. From is the room's last seq when the connection was opened, as its welcome says.
type Track struct {
	Room, From uint64

	next    uint64 // the seq that is expected next
	missing []gap
	tally   Tally
}

type gap struct{ first, last uint64 }

// maxGaps bounds the memory for a bad run; of gaps beyond it a late message counts as a repeat.
const maxGaps = 1024

// NewTrack follows room from the seq after from.
func NewTrack(room, from uint64) Track { return Track{Room: room, From: from, next: from + 1} }

// See takes the next seq that came and reports whether it came for the first time.
func (t *Track) See(seq uint64) (first bool) {
	switch {
	case seq == t.next:
		t.next++
	case seq > t.next:
		t.tally.Lost += int64(seq - t.next)
		if len(t.missing) < maxGaps {
			t.missing = append(t.missing, gap{t.next, seq - 1})
		}
		t.next = seq + 1
	case seq <= t.From:
		t.tally.Early++
		return false
	case t.fill(seq):
		t.tally.Lost--
		t.tally.Disordered++
	default:
		t.tally.Repeated++
		return false
	}
	return true
}

// fill removes seq from the missing ones and reports whether it was one of them.
func (t *Track) fill(seq uint64) bool {
	for i, g := range t.missing {
		if seq < g.first || seq > g.last {
			continue
		}
		rest := append([]gap(nil), t.missing[i+1:]...)
		t.missing = t.missing[:i]
		if g.first < seq {
			t.missing = append(t.missing, gap{g.first, seq - 1})
		}
		if seq < g.last {
			t.missing = append(t.missing, gap{seq + 1, g.last})
		}
		t.missing = append(t.missing, rest...)
		return true
	}
	return false
}

// End returns the counts for a room that ended at seq last; what never came up to there is lost.
func (t *Track) End(last uint64) Tally {
	out := t.tally
	if last >= t.next {
		out.Lost += int64(last - t.next + 1)
	}
	return out
}

// Tally is what the auditor counted in a run.
type Tally struct {
	Sent      int64 `json:"sent"`
	Acked     int64 `json:"acked"`
	Stored    int64 `json:"stored"`    // found in the history, of this run
	Delivered int64 `json:"delivered"` // messages of this run at others' connections
	Early     int64 `json:"early"`     // repeats from before the welcome, which a client ignores by the protocol
	Heads     int64 `json:"heads"`     // head frames: the client is to fetch
	Refused   int64 `json:"refused"`   // error frames

	// These must be zero.
	Lost       int64 `json:"lost"`         // never came to a connection that was online
	Repeated   int64 `json:"repeated"`     // came twice
	Disordered int64 `json:"disordered"`   // came after a later one
	Unstored   int64 `json:"unstored"`     // acked, and not in the history as acked
	StoredMore int64 `json:"stored_twice"` // one send, two rows
	Holes      int64 `json:"holes"`        // seqs that the history skips
	Unanswered int64 `json:"unanswered"`   // neither ack nor error in time
	Closed     int64 `json:"closed"`       // connections that the server ended
}

// Add adds o to t.
func (t *Tally) Add(o Tally) {
	t.Sent, t.Acked, t.Stored, t.Delivered = t.Sent+o.Sent, t.Acked+o.Acked, t.Stored+o.Stored, t.Delivered+o.Delivered
	t.Early, t.Heads, t.Refused = t.Early+o.Early, t.Heads+o.Heads, t.Refused+o.Refused
	t.Lost, t.Repeated, t.Disordered = t.Lost+o.Lost, t.Repeated+o.Repeated, t.Disordered+o.Disordered
	t.Unstored, t.StoredMore, t.Holes = t.Unstored+o.Unstored, t.StoredMore+o.StoredMore, t.Holes+o.Holes
	t.Unanswered, t.Closed = t.Unanswered+o.Unanswered, t.Closed+o.Closed
}

// Violations lists the broken promises; "" if none was broken.
func (t *Tally) Violations() string {
	var bad []string
	for _, v := range []struct {
		n    int64
		what string
	}{
		{t.Lost, "not delivered"},
		{t.Repeated, "delivered twice"},
		{t.Disordered, "out of order"},
		{t.Unstored, "acked but not stored"},
		{t.StoredMore, "stored twice"},
		{t.Holes, "seqs missing in the history"},
		{t.Unanswered, "never answered"},
		{t.Closed, "connections closed by the server"},
	} {
		if v.n != 0 {
			bad = append(bad, fmt.Sprintf("%d %s", v.n, v.what))
		}
	}
	return strings.Join(bad, ", ")
}

// acked is one ack: the sender's count and the seq that it got.
type acked struct {
	n   uint32
	seq uint64
}

// stored is one row of the history.
type stored struct {
	Seq uint64 `json:"seq"`
	ID  string `json:"client_msg_id"`
}

// checkStored compares a lane's acks with its room's rows, which begin after from. It returns the room's last seq.
func checkStored(tag string, lane int, from uint64, rows []stored, acks []acked) (last uint64, t Tally) {
	last = from
	at := make(map[uint32]uint64, len(acks))
	for _, row := range rows {
		switch {
		case row.Seq <= last:
			t.StoredMore++
			continue
		case row.Seq > last+1:
			t.Holes += int64(row.Seq - last - 1)
		}
		last = row.Seq
		if by, n, _, ok := readID([]byte(row.ID), tag); ok && by == lane {
			if _, twice := at[n]; twice {
				t.StoredMore++
				continue
			}
			at[n] = row.Seq
			t.Stored++
		}
	}
	for _, a := range acks {
		if at[a.n] != a.seq {
			t.Unstored++
		}
	}
	return last, t
}

// history reads a room's rows after from, page by page, as one of its members.
func history(ctx context.Context, api *rest, token string, room, from uint64) ([]stored, error) {
	var rows []stored
	for {
		var page struct {
			Messages []stored `json:"messages"`
			HasMore  bool     `json:"has_more"`
		}
		path := fmt.Sprintf("/rooms/%d/messages?after_seq=%d&limit=100", room, from)
		if err := api.call(ctx, "GET", path, token, nil, &page); err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		rows = append(rows, page.Messages...)
		if !page.HasMore || len(page.Messages) == 0 {
			return rows, nil
		}
		from = page.Messages[len(page.Messages)-1].Seq
	}
}
