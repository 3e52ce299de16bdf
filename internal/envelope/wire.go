package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"chat-service/internal/chat"
)

// Append appends c's record to dst: the fields in the order of their numbers, zero values left out.
func (c *Command) Append(dst []byte) []byte {
	e := encoder{dst}
	e.num(cKind, uint64(c.Kind))
	e.str(cGateway, string(c.Gateway))
	e.num(cSocket, uint64(c.Socket))
	e.num(cUser, uint64(c.User))
	e.str(cSession, string(c.Session))
	e.num(cAt, uint64(c.At))
	e.num(cRoom, uint64(c.Room))
	e.str(cClientMsgID, c.ClientMsgID)
	e.num(cClientSeq, c.ClientSeq)
	e.str(cContent, c.Content)
	e.num(cSeq, uint64(c.Seq))
	e.flag(cRepair, c.Repair)
	e.num(cNumber, c.Number)
	if len(c.Users)+len(c.Sessions)+len(c.Points) > 0 {
		e.lists(c)
	}
	e.str(cRef, c.Ref)
	e.str(cDevice, c.Device)
	e.flag(cReplace, c.Replace)
	e.num(cPartitions, uint64(c.Partitions))
	e.str(cErrorRef, c.ErrorRef)
	if len(c.Features)+len(c.Data) > 0 || c.ReplyTo != 0 || c.Change != (Asked{}) {
		e.more(c)
	}
	return e.b
}

// DecodeCommand reads one record. The command keeps nothing of b. A kind of a later release is no error: see CommandKind.Known.
func DecodeCommand(b []byte) (Command, error) {
	var c Command
	err := fields(b, func(num protowire.Number, v uint64, s []byte) error {
		switch num {
		case cKind:
			c.Kind = CommandKind(min(v, math.MaxUint16)) // cut off, a later kind would pass for another one
		case cGateway:
			c.Gateway = chat.GatewayID(s)
		case cSocket:
			c.Socket = chat.SocketID(v)
		case cUser:
			c.User = chat.UserID(v)
		case cSession:
			c.Session = chat.SessionID(s)
		case cAt:
			c.At = int64(v)
		case cRoom:
			c.Room = chat.RoomID(v)
		case cClientMsgID:
			c.ClientMsgID = string(s)
		case cClientSeq:
			c.ClientSeq = v
		case cContent:
			c.Content = string(s)
		case cErrorRef:
			c.ErrorRef = string(s)
		default:
			return c.body(num, v, s)
		}
		return nil
	})
	if err == nil && c.Kind == 0 {
		err = malformed("command kind")
	}
	return c, err
}

// Append appends d's record to dst: the fields in the order of their numbers, zero values left out.
func (d *Delivery) Append(dst []byte) []byte {
	e := encoder{dst}
	e.num(dKind, uint64(d.Kind.carrier()))
	e.str(dGateway, string(d.Gateway))
	e.num(dSocket, uint64(d.Socket))
	e.num(dUser, uint64(d.User))
	e.str(dSession, string(d.Session))
	e.num(dRoom, uint64(d.Room))
	e.num(dSeq, uint64(d.Seq))
	e.num(dEpoch, d.Epoch)
	e.opt(dFrame, d.Frame)
	e.opt(dAck, d.Ack)
	e.opt(dEvent, d.Event)
	e.opt(dJoinedTo, d.JoinedTo)
	if len(d.Added)+len(d.Removed) > 0 {
		e.memberships(d)
	}
	e.flag(dAll, d.All)
	e.str(dReason, string(d.Reason))
	e.num(dNumber, d.Number)
	e.flag(dRepair, d.Repair)
	if len(d.Entries)+len(d.Users)+len(d.Points)+len(d.Sessions) > 0 {
		e.many(d)
	}
	e.num(dCode, uint64(d.Code))
	e.num(dRetryMS, uint64(d.RetryMS))
	e.num(dAt, uint64(d.At))
	for _, p := range d.States {
		e.sub(dStates, func(s *encoder) { s.num(1, uint64(p.User)); s.flag(2, p.Online); s.num(3, uint64(p.LastSeen)) })
	}
	e.str(dRef, d.Ref)
	numbers := uint64(d.Changes) | uint64(d.Prev) | uint64(d.AtSeq) | uint64(d.From)
	if numbers != 0 || len(d.Bare)+len(d.Mine)+len(d.Froms)+len(d.Features) > 0 || d.Kind.carrier() != d.Kind {
		e.changes(d)
	}
	return e.b
}

// carrier is the kind that a record states first. Gateways of the release before take a kind that they don't know for a broken record, and
// log an error for each; a digest that says nothing about their rooms they pass over. So the kinds that are new travel as such digests.
func (k DeliveryKind) carrier() DeliveryKind {
	if k == Changed || k == Profile {
		return Heads
	}
	return k
}

// DecodeDelivery reads one record. Frame, Ack, Event, JoinedTo, Bare, Mine and the entries' frames alias b; the rest is copied. A kind of a
// later release is no error: see DeliveryKind.Known.
func DecodeDelivery(b []byte) (Delivery, error) {
	var d Delivery
	err := fields(b, func(num protowire.Number, v uint64, s []byte) error {
		switch num {
		case dKind:
			d.Kind = DeliveryKind(min(v, math.MaxUint16)) // cut off, a later kind would pass for another one
		case dGateway:
			d.Gateway = chat.GatewayID(s)
		case dSocket:
			d.Socket = chat.SocketID(v)
		case dUser:
			d.User = chat.UserID(v)
		case dSession:
			d.Session = chat.SessionID(s)
		case dRoom:
			d.Room = chat.RoomID(v)
		case dSeq:
			d.Seq = chat.Seq(v)
		case dEpoch:
			d.Epoch = v
		case dFrame:
			d.Frame = s
		case dAck:
			d.Ack = s
		case dRef:
			d.Ref = string(s)
		default:
			return d.body(num, v, s)
		}
		return nil
	})
	if err == nil && d.Kind == 0 {
		err = malformed("delivery kind")
	}
	return d, err
}

const (
	magic = 0xC5
	// Version is the batch layout that is written; Version and Version-1 are read.
	Version = 1
	// MaxRecord bounds one record: content, its escapes and its headers fit many times.
	MaxRecord = 4 << 20
)

// ErrMalformed is the cause if bytes from the bus are not a batch or a record of a version that is read here.
var ErrMalformed = errors.New("malformed envelope")

// Frame appends a batch of already encoded records to dst.
func Frame(dst []byte, records [][]byte) []byte {
	dst = append(dst, magic, Version)
	for _, r := range records {
		dst = binary.AppendUvarint(dst, uint64(len(r)))
		dst = append(dst, r...)
	}
	return dst
}

// Records splits a batch. The records alias b. What was read before an error is returned with it.
func Records(b []byte) ([][]byte, error) {
	if len(b) < 2 || b[0] != magic {
		return nil, fmt.Errorf("%w: no batch", ErrMalformed)
	}
	if b[1] != Version && b[1] != Version-1 {
		return nil, fmt.Errorf("%w: version %d, this process reads %d and %d", ErrMalformed, b[1], Version-1, Version)
	}
	b = b[2:]
	rs := make([][]byte, 0, 16)
	for len(b) > 0 {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > MaxRecord || n > uint64(len(b)-w) {
			return rs, fmt.Errorf("%w: record length", ErrMalformed)
		}
		rs = append(rs, b[w:w+int(n)])
		b = b[w+int(n):]
	}
	return rs, nil
}

// encoder appends fields in the wire format of Protocol Buffers. Zero values are left out, but in lists, where each has its place.
type encoder struct{ b []byte }

func (e *encoder) always(num protowire.Number, v uint64) {
	e.b = protowire.AppendVarint(protowire.AppendTag(e.b, num, protowire.VarintType), v)
}

func (e *encoder) num(num protowire.Number, v uint64) {
	if v != 0 {
		e.always(num, v)
	}
}

func (e *encoder) flag(num protowire.Number, v bool) {
	if v {
		e.always(num, 1)
	}
}

func (e *encoder) str(num protowire.Number, s string) {
	if s != "" {
		e.b = protowire.AppendString(protowire.AppendTag(e.b, num, protowire.BytesType), s)
	}
}

// opt appends bytes unless there are none.
func (e *encoder) opt(num protowire.Number, s []byte) {
	if len(s) > 0 {
		e.b = protowire.AppendBytes(protowire.AppendTag(e.b, num, protowire.BytesType), s)
	}
}

func (e *encoder) bytes(num protowire.Number, s []byte) {
	e.b = protowire.AppendBytes(protowire.AppendTag(e.b, num, protowire.BytesType), s)
}

func (e *encoder) sub(num protowire.Number, fill func(*encoder)) {
	var s encoder
	fill(&s)
	e.bytes(num, s.b)
}

func (e *encoder) point(num protowire.Number, p Point) {
	e.sub(num, func(s *encoder) {
		s.num(1, uint64(p.Room))
		s.num(2, uint64(p.Seq))
		s.num(3, p.Epoch)
		s.num(4, uint64(p.Changes))
		s.num(5, uint64(p.From))
		s.flag(6, p.HasChanges)
	})
}

// fields walks a record: v is set for varint fields, s (aliasing b) for bytes; other wire types come from later releases and are
// skipped.
func fields(b []byte, take func(num protowire.Number, v uint64, s []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return malformed("field tag")
		}
		b = b[n:]
		var v uint64
		var s []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			s, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return malformed("field value")
		}
		b = b[n:]
		if typ != protowire.VarintType && typ != protowire.BytesType {
			continue
		}
		if err := take(num, v, s); err != nil {
			return err
		}
	}
	return nil
}

func decodePoint(b []byte) (p Point, err error) {
	err = fields(b, func(num protowire.Number, v uint64, _ []byte) error {
		switch num {
		case 1:
			p.Room = chat.RoomID(v)
		case 2:
			p.Seq = chat.Seq(v)
		case 3:
			p.Epoch = v
		case 4:
			p.Changes = chat.ChangeSeq(v)
		case 5:
			p.From = chat.Seq(v)
		case 6:
			p.HasChanges = v != 0
		}
		return nil
	})
	return p, err
}

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }
