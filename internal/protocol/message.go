package protocol

import (
	"strconv"

	"chat-service/internal/chat"
)

// Message is how a message is shown, in REST and (flat, with its type) on the socket.
type Message struct {
	Room        chat.RoomID      `json:"room_id"`
	Seq         chat.Seq         `json:"seq"`
	ID          string           `json:"id"`
	Kind        chat.MessageKind `json:"kind"`
	Sender      chat.UserID      `json:"sender_id"`
	ClientMsgID string           `json:"client_msg_id"`
	Content     string           `json:"content"`
	CreatedAt   string           `json:"created_at"`
}

// MessageID is a message's id on the wire: "<room_id>:<seq>".
func MessageID(room chat.RoomID, seq chat.Seq) string {
	return strconv.FormatUint(uint64(room), 10) + ":" + strconv.FormatUint(uint64(seq), 10)
}

// MessageView shows m.
func MessageView(m chat.Message) Message {
	return Message{
		Room: m.Room, Seq: m.Seq, ID: MessageID(m.Room, m.Seq), Kind: m.Kind, Sender: m.Sender,
		ClientMsgID: m.ClientMsgID, Content: m.Content, CreatedAt: chat.FormatTime(m.CreatedAt),
	}
}

// AppendMessage appends a `message` frame.
func AppendMessage(dst []byte, m chat.Message) []byte {
	dst = append(dst, `{"type":"message","room_id":`...)
	dst = strconv.AppendUint(dst, uint64(m.Room), 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, uint64(m.Seq), 10)
	dst = appendID(dst, m.Room, m.Seq)
	dst = append(dst, `,"kind":"`...)
	dst = append(dst, m.Kind...)
	dst = append(dst, `","sender_id":`...)
	dst = strconv.AppendUint(dst, uint64(m.Sender), 10)
	dst = append(dst, `,"client_msg_id":`...)
	dst = AppendString(dst, m.ClientMsgID)
	dst = append(dst, `,"content":`...)
	dst = AppendString(dst, m.Content)
	dst = append(dst, `,"created_at":"`...)
	dst = m.CreatedAt.UTC().AppendFormat(dst, chat.TimeLayout)
	return append(dst, `"}`...)
}

// AppendShownMessage appends what encoding/json makes of MessageView(m), byte for byte, without reflection: pages of
// history and lists of rooms hold hundreds of them.
func AppendShownMessage(dst []byte, m *chat.Message) []byte {
	dst = appendUint(dst, `{"room_id":`, uint64(m.Room))
	dst = appendUint(dst, `,"seq":`, uint64(m.Seq))
	dst = appendID(dst, m.Room, m.Seq)
	dst = appendText(dst, `,"kind":`, string(m.Kind))
	dst = appendUint(dst, `,"sender_id":`, uint64(m.Sender))
	dst = appendText(dst, `,"client_msg_id":`, m.ClientMsgID)
	dst = appendText(dst, `,"content":`, m.Content)
	dst = appendTime(dst, `,"created_at":`, m.CreatedAt)
	return append(dst, '}')
}

// AppendAck appends the `ack` of a committed message; clientSeq is echoed where it isn't 0.
func AppendAck(dst []byte, m chat.Message, clientSeq uint64, duplicate bool) []byte {
	dst = append(dst, `{"type":"ack","client_msg_id":`...)
	dst = AppendString(dst, m.ClientMsgID)
	dst = append(dst, `,"room_id":`...)
	dst = strconv.AppendUint(dst, uint64(m.Room), 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, uint64(m.Seq), 10)
	dst = appendID(dst, m.Room, m.Seq)
	if clientSeq != 0 {
		dst = append(dst, `,"client_seq":`...)
		dst = strconv.AppendUint(dst, clientSeq, 10)
	}
	dst = append(dst, `,"created_at":"`...)
	dst = m.CreatedAt.UTC().AppendFormat(dst, chat.TimeLayout)
	dst = append(dst, `","duplicate":`...)
	dst = strconv.AppendBool(dst, duplicate)
	return append(dst, '}')
}

// AppendHistoryReply appends a stretch of a room's log; page and page_size only where q asks for a page.
func AppendHistoryReply(dst []byte, p chat.HistoryPage, q chat.HistoryQuery) []byte {
	dst = appendList(append(dst, `{"messages":`...), p.Messages, AppendShownMessage)
	dst = appendUint(dst, `,"last_seq":`, uint64(p.LastSeq))
	dst = appendUint(dst, `,"epoch":`, p.Epoch)
	dst = strconv.AppendBool(append(dst, `,"has_more":`...), p.HasMore)
	if q.Page > 0 {
		dst = appendUint(dst, `,"page":`, uint64(q.Page))
		dst = appendUint(dst, `,"page_size":`, uint64(q.PageSize))
	}
	return append(dst, '}')
}

func appendID(dst []byte, room chat.RoomID, seq chat.Seq) []byte {
	dst = append(dst, `,"id":"`...)
	dst = strconv.AppendUint(dst, uint64(room), 10)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(seq), 10)
	return append(dst, '"')
}
