package protocol

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chat-service/internal/chat"
)

// AppendRoomsReply appends a page of a member's rooms; next is the cursor of the page after it, "" on the last.
func AppendRoomsReply(dst []byte, ms []chat.Membership, next string) []byte {
	dst = appendList(append(dst, `{"rooms":`...), ms, AppendListedRoom)
	if next == "" {
		return append(dst, `,"next_cursor":null}`...)
	}
	return append(appendText(dst, `,"next_cursor":`, next), '}')
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

// appendList appends each of a list; an empty list is [], never null.
func appendList[T any](dst []byte, list []T, one func([]byte, *T) []byte) []byte {
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, &list[i])
	}
	return append(dst, ']')
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

// AppendListedRoom appends what encoding/json makes of ListedRoomView(m), byte for byte.
func AppendListedRoom(dst []byte, m *chat.Membership) []byte {
	r := &m.Room
	dst = appendUint(dst, `{"id":`, uint64(r.ID))
	dst = appendText(dst, `,"type":`, string(r.Type))
	dst = appendText(dst, `,"name":`, r.Name)
	dst = appendText(dst, `,"description":`, r.Description)
	dst = appendText(dst, `,"visibility":`, string(r.Visibility))
	dst = appendUint(dst, `,"owner_id":`, uint64(r.Owner))
	dst = append(dst, `,"member_count":`...)
	dst = strconv.AppendInt(dst, int64(r.MemberCount), 10)
	dst = appendUint(dst, `,"last_seq":`, uint64(r.LastSeq))
	dst = appendUint(dst, `,"epoch":`, r.Epoch)
	dst = appendTime(dst, `,"created_at":`, r.CreatedAt)
	dst = appendText(dst, `,"role":`, string(m.Member.Role))
	dst = appendUint(dst, `,"unread":`, m.Unread())
	dst = appendUint(dst, `,"read_seq":`, uint64(m.Member.ReadSeq))
	if m.Last != nil {
		dst = AppendShownMessage(append(dst, `,"last_message":`...), m.Last)
	}
	if m.Peer != nil {
		dst = appendShownUser(append(dst, `,"peer":`...), m.Peer)
	}
	return append(dst, '}')
}

// appendShownUser appends UserView(u).
func appendShownUser(dst []byte, u *chat.User) []byte {
	dst = appendUint(dst, `{"id":`, uint64(u.ID))
	dst = appendText(dst, `,"username":`, u.Username)
	dst = appendText(dst, `,"nickname":`, u.Nickname)
	if u.AvatarURL != "" {
		dst = appendText(dst, `,"avatar_url":`, u.AvatarURL)
	}
	dst = appendTime(dst, `,"created_at":`, u.CreatedAt)
	return append(dst, '}')
}

func appendUint(dst []byte, name string, n uint64) []byte {
	return strconv.AppendUint(append(dst, name...), n, 10)
}

// appendText appends a string as encoding/json does, which escapes more than AppendString: what it would escape it is
// given, and that is rare.
func appendText(dst []byte, name, s string) []byte {
	dst = append(dst, name...)
	if !plain(s) {
		b, _ := json.Marshal(s) // a string always encodes
		return append(dst, b...)
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// plain tells whether a string stands in JSON as it is.
func plain(s string) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			ascii = false
		case c < ' ', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return ascii || utf8.ValidString(s) && !strings.ContainsAny(s, "\u2028\u2029")
}

// appendTime appends chat.TimeLayout, which package time would read anew each time.
func appendTime(dst []byte, name string, t time.Time) []byte {
	t = t.UTC()
	dst = append(append(dst, name...), '"')
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return append(t.AppendFormat(dst, chat.TimeLayout), '"')
	}
	hour, minute, second := t.Clock()
	dst = append(two(two(dst, year/100), year%100), '-')
	dst = append(two(dst, int(month)), '-')
	dst = append(two(dst, day), 'T')
	dst = append(two(dst, hour), ':')
	dst = append(two(dst, minute), ':')
	dst = append(two(dst, second), '.')
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(two(dst, ms/10), byte('0'+ms%10), 'Z', '"')
}

func two(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
