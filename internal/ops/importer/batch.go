package importer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"chat-service/internal/chat"
)

// How much is collected before it is stored. A batch of messages goes into few transactions, see flush.go.
const (
	batchLines = 5000
	batchBytes = 8 << 20
)

// known is a user or room that a line of the file or the database has.
type known struct {
	id   uint64 // 0: not stored yet
	n    int64  // the line that names it first, as they are taken; 0: the database had it before. Earlier lines don't know it
	line int64  // the same, in the file
	mark uint64 // of the line; 0: none
}

// stored is a message that has an id in the file.
type stored struct {
	seq  uint32
	mark uint32 // of who wrote what; 0: it isn't known
}

// moment counts equal messages of one room that have no id in the file and the same time: each gets a number, which becomes part of its client_msg_id.
type moment struct {
	at   time.Time
	seen map[[32]byte]uint64
}

// batch is what was read and isn't stored yet.
type batch struct {
	users    []user
	rooms    []room
	members  []member
	messages []message
	// names that lines use and no line before them makes: perhaps the database has them.
	askUsers, askRooms map[string]bool
	talking            map[string]bool // rooms that messages are for
	bytes              int
}

func (b *batch) reset() {
	*b = batch{askUsers: map[string]bool{}, askRooms: map[string]bool{}, talking: map[string]bool{}}
}

func (b *batch) full() bool {
	return len(b.users)+len(b.rooms)+len(b.members)+len(b.messages) >= batchLines || b.bytes >= batchBytes
}

// take checks a line and puts what it says into the batch.
func (im *Importer) take(ctx context.Context, t text) error {
	if len(strings.TrimSpace(string(t.bytes[:min(len(t.bytes), 64)]))) == 0 && len(t.bytes) < 64 {
		return nil
	}
	if t.long {
		im.refuse(t.number, "", "", "", chat.E(chat.TooLarge, "is longer than %d bytes", maxLine))
		return nil
	}
	typ, err := typeOf(t.bytes)
	switch {
	case err != nil && t.cut:
		err = chat.E(chat.Invalid, "the file ends within the line")
	case err == nil && typ != userType && typ != roomType && typ != memberType && typ != messageType:
		err = chat.BadField("type", "is %.40q: must be user, room, member or message", typ)
	}
	if err != nil {
		im.refuse(t.number, "", "", "", err)
		return nil
	}
	im.n++
	im.b.bytes += len(t.bytes)
	switch typ {
	case userType:
		im.takeUser(t)
	case roomType:
		im.takeRoom(t)
	case memberType:
		return im.takeMember(ctx, t)
	default:
		im.takeMessage(t)
	}
	return nil
}

func (im *Importer) takeUser(t text) {
	u, err := im.check.user(t.number, t.bytes)
	if err == nil {
		err = im.first(im.users, u.Who.Subject, t, &im.counts.Users)
	}
	switch {
	case errors.Is(err, errKnown):
	case err != nil:
		im.refuse(t.number, userType, "", u.Who.Subject, err)
	default:
		u.n = im.n
		im.b.users = append(im.b.users, u)
	}
}

// errKnown says that a line repeats one before it.
var errKnown = chat.E(chat.Conflict, "is there already")

// first notes that a line names a user or room. errKnown: one before it did, with the same content; another error: with other content.
func (im *Importer) first(names map[string]known, id string, t text, tally *Tally) error {
	v := jsontext.Value(append([]byte(nil), t.bytes...))
	_ = v.Canonicalize() // it was read already
	sum := sha256.Sum256(v)
	mark := binary.BigEndian.Uint64(sum[:]) | 1
	have, there := names[id]
	switch {
	case have.mark == mark:
		tally.Known++
		return errKnown
	case have.mark != 0:
		return chat.E(chat.Conflict, "line %d has the same id and other content", have.line)
	}
	if !there {
		have.n = im.n
	}
	have.line = t.number
	have.mark = mark
	names[id] = have
	return nil
}

func (im *Importer) takeRoom(t text) {
	r, err := im.check.room(t.number, t.bytes)
	if err == nil {
		err = im.first(im.rooms, r.Ext, t, &im.counts.Rooms)
	}
	switch {
	case errors.Is(err, errKnown):
	case err != nil:
		im.refuse(t.number, roomType, r.Ext, "", err)
	default:
		r.n = im.n
		for i := range r.members {
			r.members[i].n = im.n
			im.askUser(r.members[i].user)
		}
		if r.CreatedAt.IsZero() {
			im.undated[r.Ext] = true
		}
		im.b.rooms = append(im.b.rooms, r)
	}
}

// takeMember stores the messages of the room first: who joins now sees what follows.
func (im *Importer) takeMember(ctx context.Context, t text) error {
	m, err := im.check.member(t.number, t.bytes)
	if err != nil {
		im.refuse(t.number, memberType, m.room, m.user, err)
		return nil
	}
	if im.b.talking[m.room] {
		if err := im.flush(ctx); err != nil {
			return err
		}
	}
	im.askUser(m.user)
	im.askRoom(m.room)
	m.n = im.n
	im.b.members = append(im.b.members, m)
	return nil
}

func (im *Importer) takeMessage(t text) {
	m, err := im.check.message(t.number, t.bytes)
	if err != nil {
		im.refuse(t.number, messageType, m.room, m.id, err)
		return
	}
	im.askUser(m.sender)
	im.askRoom(m.room)
	im.b.talking[m.room] = true
	m.n = im.n
	im.b.messages = append(im.b.messages, m)
}

func (im *Importer) askUser(id string) {
	if _, there := im.users[id]; !there {
		im.b.askUsers[id] = true
	}
}

func (im *Importer) askRoom(ext string) {
	if _, there := im.rooms[ext]; !there {
		im.b.askRooms[ext] = true
	}
}

// sum hashes parts, each behind its length.
func sum(parts ...string) [32]byte {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return [32]byte(h.Sum(nil))
}

// idOf is what a message's id in the file is found by.
func idOf(room, id string) [32]byte { return sum("id", room, id) }

// nameOf returns a message's client_msg_id. It follows from its id in the file; of one that has none, from what it says, and from how
// many messages of the room before it say the same at the same time.
func (im *Importer) nameOf(m message) string {
	of := idOf(m.room, m.id)
	if m.id == "" {
		of = sum("text", m.room, m.sender, m.at.Format(time.RFC3339Nano), m.content, m.data, m.replyTo)
		now := im.moments[m.room]
		if now == nil {
			now = &moment{}
			im.moments[m.room] = now
		}
		if now.seen == nil || !now.at.Equal(m.at) {
			now.at, now.seen = m.at, map[[32]byte]uint64{}
		}
		n := now.seen[of]
		now.seen[of]++
		var nth [8]byte
		binary.BigEndian.PutUint64(nth[:], n)
		of = sum(string(of[:]), string(nth[:]))
	}
	return nameBy(of)
}

// nameBy is the client_msg_id by a hash.
func nameBy(of [32]byte) string { return "im:" + base64.RawURLEncoding.EncodeToString(of[:24]) }

// keyOf is what an id in the file is kept by.
func keyOf(room, id string) uint64 {
	of := idOf(room, id)
	return binary.BigEndian.Uint64(of[:])
}

// markOf tells messages apart that came under one id.
func markOf(m message) uint32 {
	of := sum(m.sender, m.content, m.data, m.replyTo)
	return binary.BigEndian.Uint32(of[:]) | 1
}
