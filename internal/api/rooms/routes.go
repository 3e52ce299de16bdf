package rooms

import (
	"fmt"
	"net/http"
	"slices"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Routes are the package's rows of the route table.
func (v *Verbs) Routes() []server.Route {
	return slices.Concat(
		server.Tagged("rooms", v.roomRoutes()),
		server.Tagged("members", v.memberRoutes()),
		server.Tagged("messages", v.messageRoutes()),
		server.Tagged("messages", v.changeRoutes()),
	)
}

func (v *Verbs) roomRoutes() []server.Route {
	list := append([]server.Param{
		{Name: "visibility", Doc: "public: find rooms that anybody may join", Enum: []string{string(chat.Public)}},
		{Name: "q", Doc: "part of a name", Bytes: server.MaxQuery, Rule: "only with visibility=public"},
	}, server.PageParams()...)
	denied := server.Kinds(chat.NotFound, chat.Forbidden)
	return []server.Route{
		{
			Method: "GET", Path: "/rooms", ID: "rooms",
			Summary: "List the caller's rooms, newest activity first, or find public rooms by name",
			Params:  list, Reply: RoomsReply{}, Do: server.Plain(v.rooms),
		},
		{
			Method: "POST", Path: "/rooms", ID: "createRoom",
			Summary: "Create a group, or find or create the direct room with a user, or with oneself",
			Reply:   protocol.ListedRoom{}, Status: http.StatusCreated, Again: http.StatusOK,
			Errors: server.Kinds(chat.RoomFull), Do: server.Takes(v.createRoom),
			Rule: "a group has a name; a direct room is private and names exactly one other user, or only the caller; its name and description are ignored",
		},
		{
			Method: "GET", Path: "/rooms/{room_id}", ID: "room", Summary: "Show a room", Reply: protocol.ListedRoom{},
			Errors: server.Kinds(chat.NotFound), Do: server.Plain(v.room),
		},
		{
			Method: "PATCH", Path: "/rooms/{room_id}", ID: "updateRoom",
			Summary: "Change a group's name, description or visibility", Reply: protocol.ListedRoom{},
			Errors: denied, Do: server.Takes(v.updateRoom),
		},
		{
			Method: "DELETE", Path: "/rooms/{room_id}", ID: "dissolveRoom", Summary: "Dissolve a group",
			Errors: denied, Do: server.Plain(v.dissolve),
		},
		{
			Method: "POST", Path: "/rooms/{room_id}/owner", ID: "transferRoom",
			Summary: "Hand a group over to another member", Reply: protocol.Room{},
			Errors: denied, Do: server.Takes(v.transfer),
		},
		{
			Method: "GET", Path: "/unread", ID: "unread", Summary: "Count unread messages, in total and per room",
			Reply: UnreadReply{}, Do: server.Plain(v.unread),
		},
	}
}

func (v *Verbs) memberRoutes() []server.Route {
	denied := server.Kinds(chat.NotFound, chat.Forbidden, chat.Conflict)
	return []server.Route{
		{
			Method: "GET", Path: "/rooms/{room_id}/members", ID: "members", Summary: "List the members of a room",
			Params: server.PageParams(), Reply: MembersReply{},
			Errors: server.Kinds(chat.NotFound, chat.Forbidden), Do: server.Plain(v.members),
		},
		{
			Method: "POST", Path: "/rooms/{room_id}/members", ID: "addMembers",
			Summary: "Add members; with the caller's own id: join a public room", Reply: AddReply{},
			Errors: server.Kinds(chat.NotFound, chat.Forbidden, chat.RoomFull), Do: server.Takes(v.addMembers),
		},
		{
			Method: "DELETE", Path: "/rooms/{room_id}/members/{user_id}", ID: "removeMember",
			Summary: "Remove a member; with me: leave", Errors: denied, Do: server.Plain(v.removeMember),
		},
		{
			Method: "PATCH", Path: "/rooms/{room_id}/members/{user_id}", ID: "updateMember",
			Summary: "Change a member's role, or mute or unmute them", Reply: MemberView{},
			Errors: denied, Do: server.Takes(v.updateMember), Rule: "exactly one of role, muted_until and mute_seconds",
		},
	}
}

func (v *Verbs) messageRoutes() []server.Route {
	return []server.Route{
		{
			Method: "GET", Path: "/rooms/{room_id}/messages", ID: "history",
			Summary: "Read history: by page, or by seq; without parameters, the newest 20 messages",
			Params:  HistoryParams(), Reply: HistoryReply{}, Errors: server.Kinds(chat.NotFound), Do: server.Plain(v.history),
		},
		{
			Method: "POST", Path: "/rooms/{room_id}/messages", ID: "postMessage",
			Summary: "Send a message; 200 if a retry finds it already sent",
			Reply:   protocol.ShownMessage{}, Status: http.StatusCreated, Again: http.StatusOK,
			Errors: server.Kinds(chat.NotFound, chat.Forbidden, chat.Muted, chat.Blocked, chat.IdempotencyConflict),
			Do:     server.Takes(v.post), Rule: "content or data",
		},
		{
			Method: "PUT", Path: "/rooms/{room_id}/read", ID: "read", Summary: "Move the read pointer",
			Reply: ReadReply{}, Errors: server.Kinds(chat.NotFound), Do: server.Takes(v.read),
		},
	}
}

// changeRoutes are about one message: what it says now and said before, and what may still happen to it.
func (v *Verbs) changeRoutes() []server.Route {
	const message = "/rooms/{room_id}/messages/{seq}"
	denied := server.Kinds(chat.NotFound, chat.Forbidden, chat.Conflict)
	reactors := append([]server.Param{
		{Name: "key", Doc: "the reaction", Bytes: 32, Required: true, Rule: "no white space and no control characters", Example: "👍"},
	}, server.PageParams()...)
	return []server.Route{
		{
			Method: "GET", Path: message, ID: "message", Summary: "Show a message",
			Reply: protocol.ShownMessage{}, Errors: server.Kinds(chat.NotFound), Do: server.Plain(v.oneMessage),
		},
		{
			Method: "PATCH", Path: message, ID: "editMessage", Summary: "Edit one's own message",
			Reply: protocol.ShownMessage{}, Keyed: true, Errors: append(denied, chat.Muted, chat.VersionConflict), Do: server.Takes(v.edit),
			Rule: "content or data; a message keeps at least one of them",
		},
		{
			Method: "DELETE", Path: message, ID: "recallMessage", Summary: "Recall one's own message, or as owner or admin another's",
			Reply: protocol.ShownMessage{}, Status: http.StatusOK, Keyed: true, Errors: denied, Do: server.Plain(v.recall),
		},
		{
			Method: "GET", Path: message + "/versions", ID: "versions",
			Summary: "List what a message said before, newest first: to its author, owner and admins",
			Reply:   VersionsReply{}, Errors: server.Kinds(chat.NotFound, chat.Forbidden), Do: server.Plain(v.versions),
		},
		{
			Method: "PUT", Path: message + "/reactions/{key}", ID: "react", Summary: "React to a message",
			Reply: protocol.ShownMessage{}, Keyed: true, Errors: append(denied, chat.Muted, chat.LimitReached), Do: server.Plain(v.react(true)),
		},
		{
			Method: "DELETE", Path: message + "/reactions/{key}", ID: "unreact", Summary: "Take a reaction away",
			Reply: protocol.ShownMessage{}, Status: http.StatusOK, Keyed: true, Errors: denied, Do: server.Plain(v.react(false)),
		},
		{
			Method: "GET", Path: message + "/reactions", ID: "reactors", Summary: "List who reacted with a key, in order of arrival",
			Params: reactors, Reply: ReactorsReply{}, Errors: server.Kinds(chat.NotFound), Do: server.Plain(v.reactors),
		},
		{
			Method: "GET", Path: "/rooms/{room_id}/reactions/mine", ID: "myReactions",
			Summary: fmt.Sprintf("List the caller's own reactions to at most %d messages", mineSpan),
			Params: []server.Param{
				{Name: "from_seq", Doc: "1 if left out", Min: 1, Max: chat.MaxID, Default: 1},
				{Name: "to_seq", Doc: "as far as one answer goes if left out", Min: 1, Max: chat.MaxID, Default: chat.MaxID, Rule: "not below from_seq"},
			},
			Reply: MineReply{}, Errors: server.Kinds(chat.NotFound), Do: server.Plain(v.ownReacts),
		},
		{
			Method: "PUT", Path: message + "/pin", ID: "pin", Summary: "Pin a message: owner and admins, in a direct room both",
			Reply: protocol.ShownMessage{}, Keyed: true, Errors: append(denied, chat.LimitReached), Do: server.Plain(v.pin(true)),
		},
		{
			Method: "DELETE", Path: message + "/pin", ID: "unpin", Summary: "Take a pin off",
			Reply: protocol.ShownMessage{}, Status: http.StatusOK, Keyed: true, Errors: denied, Do: server.Plain(v.pin(false)),
		},
		{
			Method: "GET", Path: "/rooms/{room_id}/pins", ID: "pins", Summary: "List pinned messages, newest pin first",
			Reply: PinsReply{}, Errors: server.Kinds(chat.NotFound), Do: server.Plain(v.pins),
		},
	}
}

// HistoryParams are the rows of what HistoryQuery reads.
func HistoryParams() []server.Param {
	return []server.Param{
		{Name: "page", Doc: "1 is the newest", Min: 1, Max: chat.MaxID, Default: 1},
		{
			Name: "page_size", Doc: fmt.Sprintf("%d if left out", defaultPageSize),
			Min: 1, Max: maxPageSize, Default: defaultPageSize,
		},
		{Name: "before_seq", Doc: "the newest messages below this seq", Max: chat.MaxID},
		{Name: "after_seq", Doc: "the oldest messages above this seq", Max: chat.MaxID},
		{Name: "around_seq", Doc: "messages on both sides of this seq", Max: chat.MaxID},
		{
			Name: "limit", Doc: fmt.Sprintf("how many messages, with one of the seqs; %d if left out", defaultPageSize),
			Min: 1, Max: maxPageSize, Default: defaultPageSize,
		},
		{Name: "min_seq", Doc: "the caller has already seen this seq: a replica that lacks it must not answer", Max: chat.MaxID},
		{Name: "min_change_seq", Doc: "the same of changes: the answer's change_seq is at least this", Max: chat.MaxID},
	}
}
