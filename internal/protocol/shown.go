package protocol

import (
	"strconv"

	"chat-service/internal/chat"
)

// ShownMessage is a message as REST shows it to one user: frames are the same for all.
type ShownMessage struct {
	Message
	Mine []string `json:"mine,omitempty" doc:"the caller's own reactions"`
}

// ShownMessageView shows m to a user with these reactions.
func ShownMessageView(m chat.Message, mine []string) ShownMessage {
	return ShownMessage{MessageView(m), mine}
}

// AppendShownTo appends ShownMessageView(m, mine).
func AppendShownTo(dst []byte, m *chat.Message, mine []string) []byte {
	dst = appendMessage(append(dst, '{'), m)
	if len(mine) > 0 {
		dst = append(dst, `,"mine":[`...)
		for i, key := range mine {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, key)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendShown appends messages as one user sees them; mine are the user's own reactions, by seq.
func appendShown(dst []byte, ms []chat.Message, mine map[chat.Seq][]string) []byte {
	return appendList(dst, ms, func(dst []byte, m *chat.Message) []byte { return AppendShownTo(dst, m, mine[m.Seq]) })
}

// AppendHistoryReply appends a stretch of a room's log as one user sees it, whose own reactions are mine; page and page_size only if q
// asks for a page.
func AppendHistoryReply(dst []byte, p chat.HistoryPage, q chat.HistoryQuery, mine map[chat.Seq][]string) []byte {
	dst = appendShown(append(dst, `{"messages":`...), p.Messages, mine)
	dst = appendUint(dst, `,"last_seq":`, uint64(p.LastSeq))
	dst = appendUint(dst, `,"epoch":`, p.Epoch)
	dst = appendUint(dst, `,"change_seq":`, uint64(p.Changes))
	dst = strconv.AppendBool(append(dst, `,"has_more":`...), p.HasMore)
	if q.Page > 0 {
		dst = appendUint(dst, `,"page":`, uint64(q.Page))
		dst = appendUint(dst, `,"page_size":`, uint64(q.PageSize))
	}
	return append(dst, '}')
}

// AppendPinsReply appends a room's pinned messages as one user sees them.
func AppendPinsReply(dst []byte, ms []chat.Message, mine map[chat.Seq][]string) []byte {
	return append(appendShown(append(dst, `{"messages":`...), ms, mine), '}')
}
