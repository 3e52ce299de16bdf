package backend

import (
	"net/http"

	"chat-service/internal/api/rooms"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// userRoutes are about users, their sessions, and whether they may come in.
func (v *Verbs) userRoutes() []server.Route {
	const user = "/server/users/{user}"
	return []server.Route{
		{
			Method: "PUT", Path: user, ID: "putUser", Scope: chat.ScopeUsers, Summary: "Make a user of the application's own, or change a user",
			Reply: PersonView{}, Status: http.StatusCreated, Again: http.StatusOK, Errors: server.Kinds(chat.Conflict), Do: server.Takes(v.putPerson),
			Rule: "a number names somebody who is there already",
		},
		{
			Method: "POST", Path: "/server/users", ID: "putUsers", Scope: chat.ScopeUsers, Summary: "Make or change up to 100 users",
			Reply: PeopleReply{}, Errors: server.Kinds(chat.NotFound, chat.Conflict), Do: server.Takes(v.putPeople),
		},
		{
			Method: "GET", Path: user, ID: "showUser", Scope: chat.ScopeRead, Summary: "Show a user", Reply: PersonView{}, Do: server.Plain(v.showPerson),
		},
		{
			Method: "GET", Path: user + "/rooms", ID: "roomsOf", Scope: chat.ScopeRead, Summary: "List a user's rooms, as they see them",
			Params: server.PageParams(), Reply: rooms.RoomsReply{}, Do: server.Plain(v.roomsOf),
		},
		{
			Method: "POST", Path: user + "/tokens", ID: "openSession", Scope: chat.ScopeTokens,
			Summary: "Open a session for a user whom the application has authenticated", Reply: SessionReply{},
			Errors: server.Kinds(chat.Blocked), Do: server.Takes(v.openFor),
		},
		{
			Method: "POST", Path: user + "/tokens/revoke", ID: "endSessions", Scope: chat.ScopeTokens, Summary: "End all of a user's sessions",
			Reply: server.DoneReply{}, Do: server.Plain(v.endAll),
		},
		{
			Method: "PUT", Path: user + "/disabled", ID: "disableUser", Scope: chat.ScopeModeration,
			Summary: "Shut an account: its sessions end, and its sockets close", Reply: server.DoneReply{}, Do: server.Plain(v.disable(true)),
		},
		{
			Method: "DELETE", Path: user + "/disabled", ID: "enableUser", Scope: chat.ScopeModeration,
			Summary: "Open a disabled account again", Errors: server.Kinds(chat.Conflict), Do: server.Plain(v.disable(false)),
		},
	}
}

// jobRoutes are about what goes on after its call was answered.
func (v *Verbs) jobRoutes() []server.Route {
	return []server.Route{
		{
			Method: "DELETE", Path: "/server/users/{user}", ID: "endUser", Scope: chat.ScopeUsers,
			Summary: "Shut an account (204); with erase=true empty it for good, and take back all that its user wrote (202)",
			Params:  []server.Param{{Name: "erase", Doc: "true: erase the user", Enum: []string{"true", "false"}}},
			Reply:   JobView{}, Status: http.StatusAccepted, Again: http.StatusNoContent, Do: server.Plain(v.endUser),
		},
		{
			Method: "GET", Path: "/server/audit", ID: "audit", Scope: chat.ScopeModeration, Summary: "Read the audit trail, newest first",
			Params: append([]server.Param{
				{Name: "kind", Doc: "only acts of this kind", Enum: actKinds()},
				{Name: "user", Doc: "only about this user", Bytes: 140, Rule: "as in a path", Example: "ext:ann"},
				{Name: "room", Doc: "only about this room", Bytes: 140, Rule: "as in a path", Example: "ext:team"},
				{Name: "ip", Doc: "only from this address", Bytes: 45, Rule: "an IP address"},
				{Name: "since", Doc: "only since then", Bytes: 40, Rule: "a time, written as RFC 3339"},
			}, server.PageParams()...),
			Reply: ActsReply{}, Errors: server.Kinds(chat.NotFound), Do: server.Plain(v.acts),
		},
		{
			Method: "POST", Path: "/server/export", ID: "startExport", Scope: chat.ScopeRead,
			Summary: "Export what there is of a user, or of a room, until now", Reply: JobView{}, Status: http.StatusCreated,
			Do: server.Takes(v.startExport), Rule: "either user or room",
		},
		{
			Method: "GET", Path: "/server/export/{job}", ID: "exported", Scope: chat.ScopeRead, Lines: true,
			Summary: "Read a page of an export, as lines that can be imported; the header Next-Cursor leads to the next one",
			Params:  []server.Param{{Name: "cursor", Doc: "Next-Cursor of the page before", Bytes: 128, Cursor: true, Rule: "as this export returned it, unchanged"}},
			Do:      server.Plain(v.exported),
		},
		{
			Method: "GET", Path: "/server/jobs/{job}", ID: "job", Scope: chat.ScopeRead, Summary: "Show how far a job is", Reply: JobView{},
			Do: server.Plain(v.showJob),
		},
	}
}

// roomRoutes are about rooms, who is in them, and what is said there.
func (v *Verbs) roomRoutes() []server.Route {
	const room = "/server/rooms/{room}"
	const member, messages = room + "/members/{user}", room + "/messages"
	return []server.Route{
		{
			Method: "PUT", Path: room, ID: "putRoom", Scope: chat.ScopeRooms, Summary: "Make a group of the application's own, or change a group",
			Reply: protocol.Room{}, Status: http.StatusCreated, Again: http.StatusOK,
			Errors: server.Kinds(chat.Conflict, chat.RoomFull), Do: server.Takes(v.putRoom),
			Rule: "a new room takes name and owner; a number names a room that is there already",
		},
		{
			Method: "GET", Path: room, ID: "showRoom", Scope: chat.ScopeRead, Summary: "Show a room", Reply: protocol.Room{},
			Do: server.Plain(v.showRoom),
		},
		{
			Method: "DELETE", Path: room, ID: "closeRoom", Scope: chat.ScopeRooms, Summary: "Dissolve a group", Do: server.Plain(v.dissolve),
		},
		{
			Method: "POST", Path: "/server/rooms", ID: "openDirect", Scope: chat.ScopeRooms,
			Summary: "Find or make the one direct room of two users", Reply: protocol.Room{}, Status: http.StatusCreated, Again: http.StatusOK,
			Do: server.Takes(v.openDirect),
		},
		{
			Method: "GET", Path: room + "/members", ID: "wholeMembers", Scope: chat.ScopeRead, Summary: "List the members of a room",
			Params: server.PageParams(), Reply: rooms.MembersReply{}, Do: server.Plain(v.wholeMembers),
		},
		{
			Method: "PUT", Path: member, ID: "putMember", Scope: chat.ScopeRooms, Summary: "Add a member, unless they are in the room already, or give one a role",
			Reply: rooms.AddReply{}, Errors: server.Kinds(chat.RoomFull, chat.Conflict), Do: server.MayTake(v.putMember),
		},
		{
			Method: "DELETE", Path: member, ID: "dropMember", Scope: chat.ScopeRooms, Summary: "Remove a member", Errors: server.Kinds(chat.Conflict),
			Do: server.Plain(v.dropMember),
		},
		{
			Method: "GET", Path: messages, ID: "wholeHistory", Scope: chat.ScopeRead, Summary: "Read history, as users do, all of it",
			Params: rooms.HistoryParams(), Reply: rooms.HistoryReply{}, Do: server.Plain(v.wholeHistory),
		},
		{
			Method: "GET", Path: messages + "/{seq}", ID: "showMessage", Scope: chat.ScopeRead, Summary: "Show a message",
			Reply: protocol.ShownMessage{}, Do: server.Plain(v.showMessage),
		},
		{
			Method: "POST", Path: messages, ID: "postAs", Scope: chat.ScopeMessages,
			Summary: "Send a message in a member's name, or in the system's; 200 if a retry finds it already sent", Keyed: true,
			Reply: protocol.ShownMessage{}, Status: http.StatusCreated, Again: http.StatusOK,
			Errors: server.Kinds(chat.Muted, chat.Blocked), Do: server.Takes(v.postAs),
			Rule: "content or data; Idempotency-Key counts where there is no client_msg_id",
		},
		{
			Method: "DELETE", Path: messages + "/{seq}", ID: "recallFor", Scope: chat.ScopeModeration,
			Summary: "Recall a message: in a group in its owner's name, in a direct room in its author's", Keyed: true,
			Reply: protocol.ShownMessage{}, Status: http.StatusOK, Do: server.Plain(v.recallFor),
		},
	}
}
