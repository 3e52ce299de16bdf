package api

import (
	"fmt"
	"net/http"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Routes lists the routes below server.Base, in the order of the table.
func Routes() []server.RouteInfo {
	var all []server.RouteInfo
	for _, r := range new(station).routes() {
		all = append(all, r.Info())
	}
	return all
}

// routes is the route table, a group of rows per tag. A new route is a row here and a verb; its schema, its errors'
// statuses and its metrics' label follow from the row.
func (s *station) routes() []server.Route {
	var all []server.Route
	for _, group := range []struct {
		tag  string
		rows []server.Route
	}{
		{"auth", s.authRoutes()},
		{"users", s.userRoutes()},
		{"rooms", s.roomRoutes()},
		{"members", s.memberRoutes()},
		{"messages", s.messageRoutes()},
		{"messages", s.changeRoutes()},
		{"server", s.backendRoutes()},
		{"server", s.backendRoomRoutes()},
	} {
		for _, r := range group.rows {
			r.Tag = group.tag
			all = append(all, r)
		}
	}
	return all
}

// kinds lists the errors of a row besides those that its form brings along (server.Route).
func kinds(ks ...chat.Kind) []chat.Kind { return ks }

func (s *station) authRoutes() []server.Route {
	return []server.Route{
		{
			Method: "POST", Path: "/auth/register", ID: "register", Open: true, Summary: "Create an account",
			Reply: RegisterReply{}, Status: http.StatusCreated,
			Errors: kinds(chat.UsernameTaken, chat.EmailTaken, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.register),
		},
		{
			Method: "POST", Path: "/auth/login", ID: "login", Open: true, Summary: "Open a session", Reply: TokenReply{},
			Errors: kinds(chat.Unauthenticated, chat.Blocked, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.login),
		},
		{
			Method: "POST", Path: "/auth/exchange", ID: "exchange", Open: true,
			Summary: "Trade a token of the application's own issuer for a session", Reply: TokenReply{},
			Errors: kinds(chat.Unauthenticated, chat.TokenExpired, chat.Blocked, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.exchange),
		},
		{
			Method: "POST", Path: "/auth/refresh", ID: "refresh", Open: true,
			Summary: "Trade a refresh token for a new pair; using one twice ends its session", Reply: TokenReply{},
			Errors: kinds(chat.Unauthenticated, chat.Blocked, chat.RateLimited), Do: server.Takes(s.refresh),
		},
		{
			Method: "POST", Path: "/auth/logout", ID: "logout", Summary: "End this session and close its sockets",
			Reply: server.DoneReply{}, Do: server.MayTake(s.logout),
		},
		{
			Method: "POST", Path: "/auth/logout-all", ID: "logoutAll", Summary: "End all of the caller's sessions",
			Reply: server.DoneReply{}, Do: server.MayTake(s.logoutAll),
		},
		{
			Method: "POST", Path: "/auth/password", ID: "changePassword",
			Summary: "Change the password and end the other sessions", Reply: server.DoneReply{},
			Errors: kinds(chat.Forbidden, chat.RateLimited), Do: server.Takes(s.changePassword),
		},
		{
			Method: "GET", Path: "/auth/sessions", ID: "sessions", Summary: "List the caller's sessions",
			Reply: SessionsReply{}, Do: server.Plain(s.sessions),
		},
		{
			Method: "DELETE", Path: "/auth/sessions/{session_id}", ID: "endSession",
			Summary: "End one of the caller's sessions", Errors: kinds(chat.NotFound), Do: server.Plain(s.endOther),
		},
	}
}

func (s *station) userRoutes() []server.Route {
	find := append([]server.Param{
		{Name: "q", Doc: "the beginning of a username or nickname", Bytes: maxQuery, Required: true, Rule: "not blank", Example: "an"},
	}, server.PageParams()...)
	return []server.Route{
		{
			Method: "GET", Path: "/me", ID: "me", Summary: "Show the caller's account", Reply: protocol.User{},
			Do: server.Plain(s.me),
		},
		{
			Method: "PATCH", Path: "/me", ID: "updateMe", Summary: "Change nickname, email or picture",
			Reply: protocol.User{}, Errors: kinds(chat.EmailTaken, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.updateMe),
			Rule: "a change of email takes the current password",
		},
		{
			Method: "GET", Path: "/users", ID: "findUsers", Summary: "Find users", Params: find, Reply: UsersReply{},
			Do: server.Plain(s.users),
		},
		{
			Method: "GET", Path: "/users/{user_id}", ID: "user", Summary: "Show a user", Reply: protocol.User{},
			Errors: kinds(chat.NotFound), Do: server.Plain(s.oneUser),
		},
		{
			Method: "GET", Path: "/users/{user_id}/presence", ID: "userPresence",
			Summary: "Show whether a user who shares a room with the caller is online", Reply: OnePresenceReply{},
			Errors: kinds(chat.NotFound), Do: server.Plain(s.onePresence),
		},
		{
			Method: "POST", Path: "/presence", ID: "presence",
			Summary: "Show which of many users are online; those who share no room with the caller are left out",
			Reply:   PresenceReply{}, Do: server.Takes(s.presence),
		},
	}
}

func (s *station) roomRoutes() []server.Route {
	list := append([]server.Param{
		{Name: "visibility", Doc: "public: find rooms that anybody may join", Enum: []string{string(chat.Public)}},
		{Name: "q", Doc: "part of a name", Bytes: maxQuery, Rule: "only with visibility=public"},
	}, server.PageParams()...)
	denied := kinds(chat.NotFound, chat.Forbidden)
	return []server.Route{
		{
			Method: "GET", Path: "/rooms", ID: "rooms",
			Summary: "List the caller's rooms, newest activity first, or find public rooms by name",
			Params:  list, Reply: RoomsReply{}, Do: server.Plain(s.rooms),
		},
		{
			Method: "POST", Path: "/rooms", ID: "createRoom",
			Summary: "Create a group, or find or create the direct room with a user, or with oneself",
			Reply:   protocol.ListedRoom{}, Status: http.StatusCreated, Again: http.StatusOK,
			Errors: kinds(chat.RoomFull), Do: server.Takes(s.createRoom),
			Rule: "a group has a name; a direct room is private and names exactly one other user, or only the caller; its name and description are ignored",
		},
		{
			Method: "GET", Path: "/rooms/{room_id}", ID: "room", Summary: "Show a room", Reply: protocol.ListedRoom{},
			Errors: kinds(chat.NotFound), Do: server.Plain(s.room),
		},
		{
			Method: "PATCH", Path: "/rooms/{room_id}", ID: "updateRoom",
			Summary: "Change a group's name, description or visibility", Reply: protocol.ListedRoom{},
			Errors: denied, Do: server.Takes(s.updateRoom),
		},
		{
			Method: "DELETE", Path: "/rooms/{room_id}", ID: "dissolveRoom", Summary: "Dissolve a group",
			Errors: denied, Do: server.Plain(s.dissolve),
		},
		{
			Method: "POST", Path: "/rooms/{room_id}/owner", ID: "transferRoom",
			Summary: "Hand a group over to another member", Reply: protocol.Room{},
			Errors: denied, Do: server.Takes(s.transfer),
		},
		{
			Method: "GET", Path: "/unread", ID: "unread", Summary: "Count unread messages, in total and per room",
			Reply: UnreadReply{}, Do: server.Plain(s.unread),
		},
	}
}

func (s *station) memberRoutes() []server.Route {
	denied := kinds(chat.NotFound, chat.Forbidden, chat.Conflict)
	return []server.Route{
		{
			Method: "GET", Path: "/rooms/{room_id}/members", ID: "members", Summary: "List the members of a room",
			Params: server.PageParams(), Reply: MembersReply{},
			Errors: kinds(chat.NotFound, chat.Forbidden), Do: server.Plain(s.members),
		},
		{
			Method: "POST", Path: "/rooms/{room_id}/members", ID: "addMembers",
			Summary: "Add members; with the caller's own id: join a public room", Reply: AddReply{},
			Errors: kinds(chat.NotFound, chat.Forbidden, chat.RoomFull), Do: server.Takes(s.addMembers),
		},
		{
			Method: "DELETE", Path: "/rooms/{room_id}/members/{user_id}", ID: "removeMember",
			Summary: "Remove a member; with me: leave", Errors: denied, Do: server.Plain(s.removeMember),
		},
		{
			Method: "PATCH", Path: "/rooms/{room_id}/members/{user_id}", ID: "updateMember",
			Summary: "Change a member's role, or mute or unmute them", Reply: MemberView{},
			Errors: denied, Do: server.Takes(s.updateMember), Rule: "exactly one of role, muted_until and mute_seconds",
		},
	}
}

func (s *station) messageRoutes() []server.Route {
	return []server.Route{
		{
			Method: "GET", Path: "/rooms/{room_id}/messages", ID: "history",
			Summary: "Read history: by page, or by seq; without parameters, the newest 20 messages",
			Params:  historyParams(), Reply: HistoryReply{}, Errors: kinds(chat.NotFound), Do: server.Plain(s.history),
		},
		{
			Method: "POST", Path: "/rooms/{room_id}/messages", ID: "postMessage",
			Summary: "Send a message; 200 if a retry finds it already sent",
			Reply:   protocol.ShownMessage{}, Status: http.StatusCreated, Again: http.StatusOK,
			Errors: kinds(chat.NotFound, chat.Forbidden, chat.Muted, chat.Blocked, chat.IdempotencyConflict),
			Do:     server.Takes(s.post), Rule: "content or data",
		},
		{
			Method: "PUT", Path: "/rooms/{room_id}/read", ID: "read", Summary: "Move the read pointer",
			Reply: ReadReply{}, Errors: kinds(chat.NotFound), Do: server.Takes(s.read),
		},
	}
}

// changeRoutes are about one message: what it says now and said before, and what may still happen to it.
func (s *station) changeRoutes() []server.Route {
	const message = "/rooms/{room_id}/messages/{seq}"
	denied := kinds(chat.NotFound, chat.Forbidden, chat.Conflict)
	reactors := append([]server.Param{
		{Name: "key", Doc: "the reaction", Bytes: 32, Required: true, Rule: "no white space and no control characters", Example: "👍"},
	}, server.PageParams()...)
	return []server.Route{
		{
			Method: "GET", Path: message, ID: "message", Summary: "Show a message",
			Reply: protocol.ShownMessage{}, Errors: kinds(chat.NotFound), Do: server.Plain(s.oneMessage),
		},
		{
			Method: "PATCH", Path: message, ID: "editMessage", Summary: "Edit one's own message",
			Reply: protocol.ShownMessage{}, Keyed: true, Errors: append(denied, chat.Muted, chat.VersionConflict), Do: server.Takes(s.edit),
			Rule: "content or data; a message keeps at least one of them",
		},
		{
			Method: "DELETE", Path: message, ID: "recallMessage", Summary: "Recall one's own message, or as owner or admin another's",
			Reply: protocol.ShownMessage{}, Status: http.StatusOK, Keyed: true, Errors: denied, Do: server.Plain(s.recall),
		},
		{
			Method: "GET", Path: message + "/versions", ID: "versions",
			Summary: "List what a message said before, newest first: to its author, owner and admins",
			Reply:   VersionsReply{}, Errors: kinds(chat.NotFound, chat.Forbidden), Do: server.Plain(s.versions),
		},
		{
			Method: "PUT", Path: message + "/reactions/{key}", ID: "react", Summary: "React to a message",
			Reply: protocol.ShownMessage{}, Keyed: true, Errors: append(denied, chat.Muted, chat.LimitReached), Do: server.Plain(s.react(true)),
		},
		{
			Method: "DELETE", Path: message + "/reactions/{key}", ID: "unreact", Summary: "Take a reaction away",
			Reply: protocol.ShownMessage{}, Status: http.StatusOK, Keyed: true, Errors: denied, Do: server.Plain(s.react(false)),
		},
		{
			Method: "GET", Path: message + "/reactions", ID: "reactors", Summary: "List who reacted with a key, in order of arrival",
			Params: reactors, Reply: ReactorsReply{}, Errors: kinds(chat.NotFound), Do: server.Plain(s.reactors),
		},
		{
			Method: "GET", Path: "/rooms/{room_id}/reactions/mine", ID: "myReactions",
			Summary: fmt.Sprintf("List the caller's own reactions to at most %d messages", mineSpan),
			Params: []server.Param{
				{Name: "from_seq", Doc: "1 if left out", Min: 1, Max: chat.MaxID, Default: 1},
				{Name: "to_seq", Doc: "as far as one answer goes if left out", Min: 1, Max: chat.MaxID, Default: chat.MaxID, Rule: "not below from_seq"},
			},
			Reply: MineReply{}, Errors: kinds(chat.NotFound), Do: server.Plain(s.ownReacts),
		},
		{
			Method: "PUT", Path: message + "/pin", ID: "pin", Summary: "Pin a message: owner and admins, in a direct room both",
			Reply: protocol.ShownMessage{}, Keyed: true, Errors: append(denied, chat.LimitReached), Do: server.Plain(s.pin(true)),
		},
		{
			Method: "DELETE", Path: message + "/pin", ID: "unpin", Summary: "Take a pin off",
			Reply: protocol.ShownMessage{}, Status: http.StatusOK, Keyed: true, Errors: denied, Do: server.Plain(s.pin(false)),
		},
		{
			Method: "GET", Path: "/rooms/{room_id}/pins", ID: "pins", Summary: "List pinned messages, newest pin first",
			Reply: PinsReply{}, Errors: kinds(chat.NotFound), Do: server.Plain(s.pins),
		},
	}
}

// historyParams are the rows of what historyQuery reads.
func historyParams() []server.Param {
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
