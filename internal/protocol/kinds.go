package protocol

import (
	"slices"

	"chat-service/internal/chat"
)

// Type is a frame's type in its member "type". A type may be in use in both directions (read: the client moves its
// pointer, the server reports one that moved).
type Type string

// The types. The tables clientFrames and serverFrames say what each is.
const (
	TMessage   Type = "message"
	TJoinRoom  Type = "join_room"
	TLeaveRoom Type = "leave_room"
	TRead      Type = "read"
	TTyping    Type = "typing"
	TSync      Type = "sync"
	TPresence  Type = "presence"
	TAuth      Type = "auth"
	TPing      Type = "ping"
	TEdit      Type = "edit"
	TRecall    Type = "recall"
	TReact     Type = "react"
	TPin       Type = "pin"

	TWelcome Type = "welcome"
	TAck     Type = "ack"
	TError   Type = "error"
	THead    Type = "head"
	TJoined  Type = "joined"
	TLeft    Type = "left"
	TRoom    Type = "room"
	TSynced  Type = "synced"
	TResync  Type = "resync"
	TGoaway  Type = "goaway"
	TPong    Type = "pong"
	TDone    Type = "done"
	TChange  Type = "change"
	TMine    Type = "mine"
	TUser    Type = "user"
)

// Changes reports whether frames of this type ask for a change of a message.
func (t Type) Changes() bool { return t == TEdit || t == TRecall || t == TReact || t == TPin }

// Direction says who sends a frame.
type Direction uint8

// The directions.
const (
	FromClient Direction = iota + 1
	FromServer
)

// Form is the JSON form of a field's value.
type Form string

// The forms. A number is whole and from 0 to 2^53-1.
const (
	FormText   Form = "string"
	FormNumber Form = "number"
	FormBool   Form = "boolean"
	FormList   Form = "list"
	FormObject Form = "object"
)

// Field is one member of a frame.
type Field struct {
	Name     string
	Form     Form
	Optional bool
	Doc      string // what the name doesn't say; "" for most
	Feature  string // of a client's field: refused as unknown unless `welcome` lists this feature; "": never
}

// FrameSpec is a row of ClientFrames or ServerFrames: everything about a type of frame but the code that handles it.
//
// To add a frame from the client: its Type, a row in clientFrames (and in clientFields for a new field, with the place in Frame that
// it goes to), the row of envelope.Commands that names it, and the gateway's handling. To add a frame from the server: its Type, a
// row in serverFrames, its encoder in the file of its noun, a sample in kinds_test.go. Tests name what is missing, and write the
// tables of docs/protocol.md (go test ./docs -update).
type FrameSpec struct {
	Type      Type
	Direction Direction
	Fields    []Field // besides "type"
	Answers   []Type  // of a frame from the client: what answers it. Besides, an error may answer each
	Doc       string  // what it means, or asks for
	Feature   string  // of a frame from the client: as Field.Feature
}

// ClientFrames returns the registry of frames that clients send.
func ClientFrames() []FrameSpec {
	specs := make([]FrameSpec, len(clientFrames))
	for i, c := range clientFrames {
		specs[i] = FrameSpec{Type: c.typ, Direction: FromClient, Answers: slices.Clone(c.answers), Doc: c.doc, Feature: c.needs.String()}
		for id := fieldType + 1; id < fieldCount; id++ {
			if set := fieldSet(1) << id; (c.required|c.optional)&set != 0 {
				field := clientFields[id].Field
				field.Optional, field.Feature = c.optional&set != 0, clientFields[id].needs.String()
				specs[i].Fields = append(specs[i].Fields, field)
			}
		}
	}
	return specs
}

// ServerFrames returns the registry of frames that the server sends.
func ServerFrames() []FrameSpec {
	specs := slices.Clone(serverFrames)
	for i := range specs {
		specs[i].Direction, specs[i].Fields = FromServer, slices.Clone(specs[i].Fields)
	}
	return specs
}

// clientFrame is a row of the frames from the client.
type clientFrame struct {
	typ                Type
	required, optional fieldSet
	answers            []Type
	doc                string
	needs              Features           // all of these, or the type is unknown
	rule               func(*Frame) error // what no single field shows; mostly nil
}

var clientFrames = append([]clientFrame{
	{
		typ: TMessage, required: in(fieldRoom, fieldContent), optional: in(fieldClientMsgID, fieldClientSeq, fieldData, fieldReplyTo), answers: []Type{TAck},
		doc: "append a message to a room",
	},
	{
		typ: TJoinRoom, required: in(fieldRoom), answers: []Type{TJoined},
		doc: "resume live delivery as a member, or become a member of a public room",
	},
	{
		typ: TLeaveRoom, required: in(fieldRoom), answers: []Type{TLeft},
		doc: "live delivery to this connection stops; membership stays",
	},
	{
		typ: TRead, required: in(fieldRoom, fieldSeq),
		doc: "move the read pointer; the user's other devices get `read`, and in small rooms (`limits.peer_reads`) the other members too",
	},
	{typ: TTyping, required: in(fieldRoom), doc: "relayed once a second at most, never stored"},
	{
		typ: TSync, required: in(fieldRooms), optional: in(fieldRef), answers: []Type{TSynced, TResync},
		doc: "per room: its missing messages in order, then `synced`; or `resync` if they can't be sent whole; " +
			"or `error` with the room_id if the room doesn't exist for you",
	},
	{
		typ: TPresence, required: in(fieldUsers), answers: []Type{TPresence},
		doc: "watch users: a snapshot, then changes",
	},
	{
		typ: TAuth, required: in(fieldToken),
		doc: "renew the token of a live connection, same user; as first frame: log in",
	},
	{typ: TPing, answers: []Type{TPong}, doc: "answered at once"},
	{
		typ: TEdit, required: in(fieldRoom, fieldSeq), optional: in(fieldContent, fieldData, fieldIfVersion, fieldChangeID, fieldRef),
		answers: []Type{TDone}, needs: FeatureChanges, rule: editsSomething,
		doc: "replace content or data of a message of one's own: absent, it stays; null, it is removed",
	},
	{
		typ: TRecall, required: in(fieldRoom, fieldSeq), optional: in(fieldChangeID, fieldRef), answers: []Type{TDone}, needs: FeatureChanges,
		doc: "take a message back, for everybody and for good",
	},
	{
		typ: TReact, required: in(fieldRoom, fieldSeq, fieldKey, fieldOn), optional: in(fieldChangeID, fieldRef), answers: []Type{TDone}, needs: FeatureChanges,
		doc: "set one's reaction to a message, or take it away",
	},
	{
		typ: TPin, required: in(fieldRoom, fieldSeq), optional: in(fieldOn, fieldChangeID, fieldRef), answers: []Type{TDone}, needs: FeatureChanges,
		doc: "pin a message, or take the pin away",
	},
}, probeClientFrames...)

// fieldID numbers the fields of client frames.
type fieldID uint8

// The fields, in the order in which documents show them.
const (
	fieldType fieldID = iota
	fieldRoom
	fieldContent
	fieldClientMsgID
	fieldClientSeq
	fieldSeq
	fieldUsers
	fieldRooms
	fieldToken
	fieldRef
	fieldData
	fieldReplyTo
	fieldIfVersion
	fieldKey
	fieldOn
	fieldChangeID
	fieldCount
)

// fieldSet is a set of fields, a bit for each.
type fieldSet uint32

func in(ids ...fieldID) (set fieldSet) {
	for _, id := range ids {
		set |= 1 << id
	}
	return set
}

// clientField is a row of the fields that client frames may carry: a name means the same in every frame.
type clientField struct {
	Field

	read  readField                        // reads the value into its place in the frame
	check func(f *Frame, lim Limits) error // validates the value; nil: every value of the form is legal
	needs Features                         // all of these, or the field is unknown
}

var clientFields = [fieldCount]clientField{
	fieldType: {
		Field: Field{Name: "type", Form: FormText, Doc: "the frame's type"},
		read:  text(func(f *Frame) *Type { return &f.Type }),
	},
	fieldRoom: {
		Field: Field{Name: "room_id", Form: FormNumber},
		read:  number(func(f *Frame) *chat.RoomID { return &f.Room }),
		check: func(f *Frame, _ Limits) error { return atLeastOne("room_id", uint64(f.Room)) },
	},
	fieldContent: {
		Field: Field{
			Name: "content", Form: FormText,
			Doc: "not blank, without NUL, at most `limits.message_bytes` of UTF-8; with `data` it may be empty",
		},
		read: text(func(f *Frame) *string { return &f.Content }),
		check: func(f *Frame, lim Limits) error {
			if f.HasContent = f.Type == TEdit; f.Content == "" && (f.HasContent || f.Data != "") {
				return nil
			}
			return chat.CheckContent(f.Content, lim.MessageBytes)
		},
	},
	fieldClientMsgID: {
		Field: Field{
			Name: "client_msg_id", Form: FormText,
			Doc: "1–36 of `A–Z a–z 0–9 . _ : -`, the same on every retry; the server makes one if it is absent",
		},
		read:  text(func(f *Frame) *string { return &f.ClientMsgID }),
		check: func(f *Frame, _ Limits) error { return chat.CheckClientMsgID(f.ClientMsgID) },
	},
	fieldClientSeq: {
		Field: Field{Name: "client_seq", Form: FormNumber, Doc: "1, 2, 3 … per room and login session, kept on retries"},
		read:  number(func(f *Frame) *uint64 { return &f.ClientSeq }),
		check: func(f *Frame, _ Limits) error { return atLeastOne("client_seq", f.ClientSeq) },
	},
	fieldSeq: {
		Field: Field{Name: "seq", Form: FormNumber, Doc: "of the message; in `read`: everything up to here is read"},
		read:  number(func(f *Frame) *chat.Seq { return &f.Seq }),
		check: func(f *Frame, _ Limits) error {
			if f.Type == TRead {
				return nil
			}
			return atLeastOne("seq", uint64(f.Seq))
		},
	},
	fieldUsers: {
		Field: Field{Name: "user_ids", Form: FormList, Doc: "at most `limits.watch`; replaces the previous list"},
		read:  readUsers,
		check: func(f *Frame, lim Limits) error {
			if lim.Watch > 0 && len(f.Users) > lim.Watch {
				return chat.BadField("user_ids", "at most %d users", lim.Watch)
			}
			return nil
		},
	},
	fieldRooms: {
		Field: Field{
			Name: "rooms", Form: FormObject,
			Doc: "at most `limits.sync_rooms`: `{\"<room id>\": seq}` or `{\"<room id>\": {seq, epoch?, changes?, from_seq?}}`: " +
				"the highest contiguous seq that you have; with the feature `changes` also your cursor of changes, and the first seq of which you want them",
		},
		read: readPoints,
		check: func(f *Frame, lim Limits) error {
			if lim.SyncRooms > 0 && len(f.Sync) > lim.SyncRooms {
				return chat.BadField("rooms", "at most %d rooms at a time", lim.SyncRooms)
			}
			return nil
		},
	},
	fieldToken: {
		Field: Field{Name: "token", Form: FormText, Doc: "an access token"},
		read:  text(func(f *Frame) *string { return &f.Token }),
	},
	fieldRef: {
		Field: Field{Name: "ref", Form: FormText, Doc: "at most 64 bytes; the answers carry it"},
		read:  text(func(f *Frame) *string { return &f.Ref }),
		check: func(f *Frame, _ Limits) error {
			if len(f.Ref) > maxRef {
				return chat.BadField("ref", "must have at most %d bytes", maxRef)
			}
			return nil
		},
	},
	fieldData: {
		Field: Field{Name: "data", Form: FormObject, Doc: "at most `limits.data_bytes` in canonical form (RFC 8785), nested at most `limits.data_depth` deep"},
		read:  readData,
		check: checkData,
		needs: FeatureData,
	},
	fieldReplyTo: {
		Field: Field{Name: "reply_to", Form: FormNumber, Doc: "seq of a message of the room that you see"},
		read:  number(func(f *Frame) *chat.Seq { return &f.ReplyTo }),
		check: func(f *Frame, _ Limits) error { return atLeastOne("reply_to", uint64(f.ReplyTo)) },
		needs: FeatureData,
	},
	fieldIfVersion: {
		Field: Field{Name: "if_version", Form: FormNumber, Doc: "only if the message has this version"},
		read:  number(func(f *Frame) *uint64 { return &f.IfVersion }),
		check: func(f *Frame, _ Limits) error { return atLeastOne("if_version", f.IfVersion) },
		needs: FeatureChanges,
	},
	fieldKey: {
		Field: Field{Name: "key", Form: FormText, Doc: "1–32 bytes of UTF-8 without white space or control characters"},
		read:  text(func(f *Frame) *string { return &f.Key }),
		check: func(f *Frame, _ Limits) error { return chat.CheckReactionKey(f.Key) },
		needs: FeatureChanges,
	},
	fieldOn: {
		Field: Field{Name: "on", Form: FormBool, Doc: "false takes it away; in `pin` true if it is absent"},
		read:  readOn,
		needs: FeatureChanges,
	},
	fieldChangeID: {
		Field: Field{
			Name: "change_id", Form: FormText,
			Doc: "as `client_msg_id`, of a change: the same on every retry; the server makes one if it is absent",
		},
		read:  text(func(f *Frame) *string { return &f.ChangeID }),
		check: func(f *Frame, _ Limits) error { return chat.CheckChangeID(f.ChangeID) },
		needs: FeatureChanges,
	},
}

// maxRef bounds a client's own ref, in bytes.
const maxRef = 64

func need(name string, form Form, doc string) Field { return Field{Name: name, Form: form, Doc: doc} }

func may(name string, form Form, doc string) Field {
	return Field{Name: name, Form: form, Optional: true, Doc: doc}
}

// Fields of several frames.
var (
	roomID    = need("room_id", FormNumber, "")
	userID    = need("user_id", FormNumber, "")
	seq       = need("seq", FormNumber, "")
	epoch     = need("epoch", FormNumber, "")
	createdAt = need("created_at", FormText, "")
	ref       = may("ref", FormText, "")
	changeSeq = need("change_seq", FormNumber, "")
)

var serverFrames = append([]FrameSpec{
	{Type: TWelcome, Doc: "the connection is logged in", Fields: []Field{
		need("session_id", FormText, ""), need("user", FormObject, ""), need("server_time", FormText, ""),
		need("ping_interval_ms", FormNumber, ""), need("limits", FormObject, "{message_bytes, frame_bytes, sync_rooms, watch}"),
		need("rooms", FormList, "[{id, type, last_seq, epoch, change_seq, read_seq, unread}]"),
		may("more", FormBool, "above 1,000 rooms: page through `GET /rooms`"),
		may("features", FormList, "optional features that the gateway and all workers support now"),
	}},
	{Type: TAck, Doc: "the message is committed", Fields: []Field{
		need("client_msg_id", FormText, ""), roomID, seq, need("id", FormText, ""), may("client_seq", FormNumber, ""), createdAt,
		need("duplicate", FormBool, "it was stored already"),
	}},
	{Type: TError, Doc: "the frame was refused", Fields: []Field{
		need("code", FormText, ""), need("message", FormText, ""), need("ref", FormText, "client_msg_id, the client's `ref`, or the type"),
		need("retry", FormBool, ""), need("retry_after_ms", FormNumber, "0: at once, or never"), may("room_id", FormNumber, ""),
		may("client_seq", FormNumber, ""), may("expected", FormNumber, "the client_seq that is next"), may("errors", FormList, "[{field, message}]"),
	}},
	{Type: TMessage, Doc: "a message, not to the connection that sent it", Fields: []Field{
		roomID, seq, need("id", FormText, ""), need("kind", FormText, "`text`, `system`, …"), need("sender_id", FormNumber, ""),
		need("client_msg_id", FormText, "\"\" of a system message that the application didn't write"), need("content", FormText, "\"\" if it was recalled"), createdAt,
		may("data", FormObject, ""), may("reply_to", FormNumber, ""), may("change_seq", FormNumber, "of its last change; the fields from here on only if it was ever changed"),
		may("version", FormNumber, "1: as sent"), may("edited_at", FormText, ""), may("recalled", FormObject, "{by, at}"),
		may("reactions", FormList, "[{key, count, user_ids}], in order of first arrival; the first ten users"), may("pinned", FormObject, "{by, at}"),
	}},
	{Type: THead, Doc: "fetch what you are missing", Fields: []Field{
		need("rooms", FormObject, "{\"<id>\": last_seq}"), may("changes", FormObject, "{\"<id>\": change_seq}"),
	}},
	{Type: TJoined, Doc: "live delivery of a room begins; also sent if someone adds you", Fields: []Field{need("room", FormObject, "as in `GET /rooms`")}},
	{Type: TLeft, Doc: "live delivery of the room ends", Fields: []Field{
		roomID, need("seq", FormNumber, "0 if only this connection stopped"), need("reason", FormText, "`left`, `kicked`, `dissolved`, `unsubscribed`"),
	}},
	{Type: TRoom, Doc: "a room or its membership changed", Fields: []Field{
		need("room", FormObject, ""), need("change", FormText, "`updated`, `member_joined`, `member_left`, `role`, `owner`"),
		may("user_id", FormNumber, ""),
	}},
	{Type: TRead, Doc: "a read pointer moved", Fields: []Field{roomID, userID, seq, may("unread", FormNumber, "only on the reader's own devices")}},
	{Type: TTyping, Doc: "the user is typing; hide it after 6 s", Fields: []Field{roomID, userID}},
	{Type: TPresence, Doc: "who of the watched users is online; it ends for users who no longer share a room with the watcher", Fields: []Field{
		need("users", FormList, "[{user_id, online: true, false or null (unknown), last_seen}]"),
	}},
	{Type: TSynced, Doc: "all messages from from_seq to to_seq were sent", Fields: []Field{
		roomID, epoch, need("from_seq", FormNumber, ""), need("to_seq", FormNumber, ""), need("last_seq", FormNumber, ""),
		need("more", FormBool, "ask again, from to_seq"),
		may("change_seq", FormNumber, "all changes up to it were sent; if you told your cursor"), may("more_changes", FormBool, "ask again, from change_seq"), ref,
	}},
	{Type: TResync, Doc: "your view can't be completed: discard it and load the newest page", Fields: []Field{roomID, epoch, ref}},
	{Type: TGoaway, Doc: "connect again after after_ms; the socket works until then", Fields: []Field{
		need("after_ms", FormNumber, ""), need("reason", FormText, ""),
	}},
	{Type: TPong, Doc: "the answer to `ping`"},
	{Type: TDone, Doc: "the change is committed, or there was nothing to change", Fields: []Field{
		need("ref", FormText, "the client's `ref`, else the change_id"), need("change_id", FormText, ""), roomID, seq,
		need("change_seq", FormNumber, "of the change; if there was nothing to change, of the message's last, 0: none"), need("version", FormNumber, "of the message"),
	}},
	{Type: TChange, Doc: "a message was changed; also to the connection that asked for it", Fields: []Field{
		roomID, changeSeq, need("prev", FormNumber, "the change before it: if your cursor is below, `sync`"), need("at_seq", FormNumber, "the room's last_seq then"),
		may("message", FormObject, "{seq, change_seq, version, and what may have changed since prev: content, data, edited_at, recalled, reactions, pinned}; "+
			"absent: you can't see it, and only the cursor moves"),
		may("cause", FormObject, "{kind: `edit`, `recall`, `reaction`, `pin`, …, by, key?, on?}"),
	}},
	{Type: TMine, Doc: "your own reactions to a message, after a change by another connection of yours", Fields: []Field{
		roomID, seq, need("keys", FormList, "strings"),
	}},
	{Type: TUser, Doc: "somebody who shares a room with you, or you on another connection, has another nickname or picture", Fields: []Field{
		need("user", FormObject, "as in REST"),
	}},
}, probeServerFrames...)
