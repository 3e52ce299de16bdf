package importer

import (
	"context"

	"chat-service/internal/chat"
)

// unreal is where the ids begin that a dry run gives to what it would make.
const unreal = 1 << 60

// dry reads from a store and writes nothing. It takes every message for a new one.
type dry struct {
	Store
	next uint64
	seqs map[chat.RoomID]uint64
}

func newDry(s Store) *dry { return &dry{Store: s, next: unreal, seqs: map[chat.RoomID]uint64{}} }

func (d *dry) id() uint64 { d.next++; return d.next }

// Named finds messages in rooms that are there.
func (d *dry) Named(ctx context.Context, room chat.RoomID, names []string) (map[string]chat.Seq, error) {
	if room >= unreal {
		return map[string]chat.Seq{}, nil
	}
	return d.Store.Named(ctx, room, names)
}

// ImportUsers checks.
func (d *dry) ImportUsers(ctx context.Context, us []chat.ImportedUser, _ bool) ([]chat.Imported, error) {
	out, err := d.Store.ImportUsers(ctx, us, true)
	for i := range out {
		if out[i].Err == nil && out[i].ID == 0 {
			out[i].ID = d.id()
		}
	}
	return out, err
}

// ImportRooms finds those that are there.
func (d *dry) ImportRooms(ctx context.Context, rs []chat.ImportedRoom) ([]chat.Imported, error) {
	exts := make([]string, len(rs))
	for i, r := range rs {
		exts[i] = r.Ext
	}
	_, known, err := d.Known(ctx, nil, exts)
	if err != nil {
		return nil, err
	}
	out := make([]chat.Imported, len(rs))
	for i, r := range rs {
		if id, there := known[r.Ext]; there {
			out[i] = chat.Imported{ID: uint64(id), Known: true}
		} else {
			out[i].ID = d.id()
		}
	}
	return out, nil
}

// ImportMembers takes all for new ones.
func (d *dry) ImportMembers(_ context.Context, _ chat.RoomID, ms []chat.ImportedMember) ([]chat.UserID, error) {
	added := make([]chat.UserID, len(ms))
	for i, m := range ms {
		added[i] = m.User
	}
	return added, nil
}

// ImportMessages gives each a seq.
func (d *dry) ImportMessages(_ context.Context, ms []chat.ImportedMessage) ([]chat.Sent, error) {
	out := make([]chat.Sent, len(ms))
	for i, m := range ms {
		d.seqs[m.Room]++
		out[i].Message = chat.Message{Room: m.Room, Seq: chat.Seq(d.seqs[m.Room]), Ord: d.seqs[m.Room], Sender: m.Sender, CreatedAt: m.At}
	}
	return out, nil
}

// ImportRead moves nothing.
func (d *dry) ImportRead(context.Context, []chat.ImportedRun) error { return nil }
