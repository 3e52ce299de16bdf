package store

import (
	"context"
	"sync"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/lookup"
	"chat-service/internal/store/table"
)

// How long a replica that failed is left alone: doubling up to the maximum.
const (
	replicaWaitLeast = 500 * time.Millisecond
	replicaWaitMost  = 30 * time.Second
	replicaTimeout   = 2 * time.Second // one read; the primary is asked after it
)

// replica is a read-only copy of the primary, some way behind it.
type replica struct {
	addr string
	p    *db.Pool

	mu    sync.Mutex
	wait  time.Duration
	until time.Time // left alone till then
}

func (r *replica) resting(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Before(r.until)
}

// told notes how a read went.
func (r *replica) told(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.wait = 0
		return
	}
	r.wait = min(max(r.wait*2, replicaWaitLeast), replicaWaitMost)
	r.until = now.Add(r.wait)
}

// fromReplica reads messages from … to from the replica whose turn it is. ok is false where it can't be had from there: no
// replica, a dead one, or one that has not reached both the end of the stretch and minSeq in this epoch. The fence
// and the messages are one statement, so they are of one moment of the copy.
func (d *DB) fromReplica(ctx context.Context, room chat.Room, from, to, minSeq chat.Seq) (ms []chat.Message, ok bool) {
	if len(d.replicas) == 0 {
		return nil, false
	}
	r := d.replicas[int(d.turn.Add(1))%len(d.replicas)]
	if r.resting(d.o.Now()) {
		return nil, false
	}
	rctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	var q db.Statement
	q.Add("SELECT "+table.MessageCols+" FROM rooms r JOIN messages x ON x.room_id = r.id AND x.seq BETWEEN ? AND ?"+
		" WHERE r.id = ? AND r.epoch = ? AND r.last_seq >= ? ORDER BY x.seq", from, to, room.ID, room.Epoch, max(to, minSeq))
	ms, err := lookup.Read(r.p.Gorm().WithContext(rctx), &q, int(to-from)+1)
	if err != nil && ctx.Err() != nil {
		return nil, false // the caller gave up: that says nothing about the replica
	}
	r.told(err, d.o.Now())
	if err != nil {
		d.o.Logger.WarnContext(ctx, "replica doesn't answer, the primary is asked", "replica", r.addr, "error", err)
		return nil, false
	}
	if chat.Seq(len(ms)) != to-from+1 {
		return nil, false
	}
	return ms, true
}
