package api

import (
	"fmt"
	"net/http"
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"

	"github.com/gofiber/fiber/v2"
)

// base is where the API lives.
const base = "/api/v1"

// route is one row of PROTOCOL.md's table: the server mounts it and the OpenAPI document describes it, from the same
// values.
type route struct {
	method, path string // path is below base, parameters as {name}
	id, summary  string // operation id, and what it does
	tag          string
	open         bool    // no access token is needed
	params       []param // of the query
	body, reply  any     // zero values of the JSON types; nil: none
	optional     bool    // the body may be left out
	status       []int   // of success
	errors       []chat.Kind
	handle       handler
}

// param is one query parameter.
type param struct {
	name, doc   string
	least, most uint64   // of a number; most 0: it is text
	enum        []string // of a text
}

func pageParams() []param {
	return []param{
		{name: "cursor", doc: "next_cursor of the page before"},
		{name: "limit", doc: "items per page, 50 where left out", least: 1, most: maxListLimit},
	}
}

// routes lists everything there is below base.
func routes() []route {
	var all []route
	for _, group := range [][]route{authRoutes(), userRoutes(), roomRoutes(), memberRoutes(), messageRoutes()} {
		all = append(all, group...)
	}
	return all
}

func authRoutes() []route {
	const tag = "auth"
	ok, created := []int{http.StatusOK}, []int{http.StatusCreated}
	return []route{
		{method: "POST", path: "/auth/register", id: "register", summary: "Make an account", tag: tag, open: true,
			body: RegisterBody{}, reply: RegisterReply{}, status: created,
			errors: []chat.Kind{chat.UsernameTaken, chat.EmailTaken, chat.RateLimited}, handle: takes((*Server).register)},
		{method: "POST", path: "/auth/login", id: "login", summary: "Open a session", tag: tag, open: true,
			body: LoginBody{}, reply: TokenReply{}, status: ok,
			errors: []chat.Kind{chat.Unauthenticated, chat.Blocked, chat.RateLimited}, handle: takes((*Server).login)},
		{method: "POST", path: "/auth/refresh", id: "refresh", summary: "Trade a refresh token for a new pair; a token used twice ends its session",
			tag: tag, open: true, body: RefreshBody{}, reply: TokenReply{}, status: ok,
			errors: []chat.Kind{chat.Unauthenticated}, handle: takes((*Server).refresh)},
		{method: "POST", path: "/auth/logout", id: "logout", summary: "End this session and close its sockets", tag: tag,
			body: LogoutBody{}, optional: true, reply: DoneReply{}, status: ok, handle: mayTake((*Server).logout)},
		{method: "POST", path: "/auth/logout-all", id: "logoutAll", summary: "End all of the caller's sessions", tag: tag,
			body: LogoutBody{}, optional: true, reply: DoneReply{}, status: ok, handle: mayTake((*Server).logoutAll)},
		{method: "POST", path: "/auth/password", id: "changePassword", summary: "Change the password and end the other sessions", tag: tag,
			body: PasswordBody{}, reply: DoneReply{}, status: ok, errors: []chat.Kind{chat.Forbidden, chat.RateLimited}, handle: takes((*Server).changePassword)},
		{method: "GET", path: "/auth/sessions", id: "sessions", summary: "The caller's devices", tag: tag,
			reply: SessionsReply{}, status: ok, handle: (*Server).sessions},
		{method: "DELETE", path: "/auth/sessions/{session_id}", id: "endSession", summary: "End one of them", tag: tag,
			status: []int{http.StatusNoContent}, errors: []chat.Kind{chat.NotFound}, handle: (*Server).endOther},
	}
}

func userRoutes() []route {
	const tag = "users"
	ok := []int{http.StatusOK}
	return []route{
		{method: "GET", path: "/me", id: "me", summary: "The caller's account", tag: tag, reply: protocol.User{}, status: ok, handle: (*Server).me},
		{method: "PATCH", path: "/me", id: "updateMe", summary: "Change nickname, email or picture", tag: tag,
			body: MeBody{}, reply: protocol.User{}, status: ok, errors: []chat.Kind{chat.EmailTaken}, handle: takes((*Server).updateMe)},
		{method: "GET", path: "/users", id: "findUsers", summary: "Find users by the beginning of a name", tag: tag,
			params: append([]param{{name: "q", doc: "required"}}, pageParams()...), reply: UsersReply{}, status: ok, handle: (*Server).users},
		{method: "GET", path: "/users/{user_id}", id: "user", summary: "One user", tag: tag,
			reply: protocol.User{}, status: ok, errors: []chat.Kind{chat.NotFound}, handle: (*Server).oneUser},
		{method: "GET", path: "/users/{user_id}/presence", id: "userPresence", summary: "Whether somebody who shares a room with the caller is online", tag: tag,
			reply: OnePresenceReply{}, status: ok, errors: []chat.Kind{chat.NotFound}, handle: (*Server).onePresence},
		{method: "POST", path: "/presence", id: "presence", summary: "The same of many; strangers are left out", tag: tag,
			body: PresenceBody{}, reply: PresenceReply{}, status: ok, handle: takes((*Server).presence)},
	}
}

func roomRoutes() []route {
	const tag = "rooms"
	ok, gone := []int{http.StatusOK}, []int{http.StatusNoContent}
	return []route{
		{method: "GET", path: "/rooms", id: "rooms", summary: "The caller's rooms, newest activity first; or public rooms by name", tag: tag,
			params: append([]param{{name: "visibility", doc: "public: find rooms to join", enum: []string{"public"}},
				{name: "q", doc: "with visibility=public: what to look for"}}, pageParams()...),
			reply: RoomsReply{}, status: ok, handle: (*Server).rooms},
		{method: "POST", path: "/rooms", id: "createRoom", summary: "Make a group, or find or make the direct room with somebody", tag: tag,
			body: RoomBody{}, reply: protocol.ListedRoom{}, status: []int{http.StatusCreated, http.StatusOK},
			errors: []chat.Kind{chat.NotFound, chat.Blocked, chat.RoomFull}, handle: takes((*Server).createRoom)},
		{method: "GET", path: "/rooms/{room_id}", id: "room", summary: "One room", tag: tag,
			reply: protocol.ListedRoom{}, status: ok, errors: []chat.Kind{chat.NotFound}, handle: (*Server).room},
		{method: "PATCH", path: "/rooms/{room_id}", id: "updateRoom", summary: "Rename, describe, open or close a group", tag: tag,
			body: RoomPatchBody{}, reply: protocol.ListedRoom{}, status: ok, errors: []chat.Kind{chat.NotFound, chat.Forbidden}, handle: takes((*Server).updateRoom)},
		{method: "DELETE", path: "/rooms/{room_id}", id: "dissolveRoom", summary: "Dissolve a group", tag: tag,
			status: gone, errors: []chat.Kind{chat.NotFound, chat.Forbidden}, handle: (*Server).dissolve},
		{method: "POST", path: "/rooms/{room_id}/owner", id: "transferRoom", summary: "Hand a group over to another member", tag: tag,
			body: OwnerBody{}, reply: protocol.Room{}, status: ok, errors: []chat.Kind{chat.NotFound, chat.Forbidden}, handle: takes((*Server).transfer)},
		{method: "GET", path: "/unread", id: "unread", summary: "Unread messages, in total and per room", tag: tag,
			reply: UnreadReply{}, status: ok, handle: (*Server).unread},
	}
}

func memberRoutes() []route {
	const tag = "members"
	ok, gone := []int{http.StatusOK}, []int{http.StatusNoContent}
	denied := []chat.Kind{chat.NotFound, chat.Forbidden, chat.Conflict}
	return []route{
		{method: "GET", path: "/rooms/{room_id}/members", id: "members", summary: "Who is in a room", tag: tag,
			params: pageParams(), reply: MembersReply{}, status: ok, errors: []chat.Kind{chat.NotFound}, handle: (*Server).members},
		{method: "POST", path: "/rooms/{room_id}/members", id: "addMembers", summary: "Add people; with one's own id: join a public room", tag: tag,
			body: AddBody{}, reply: AddReply{}, status: ok, errors: []chat.Kind{chat.NotFound, chat.Forbidden, chat.Blocked, chat.RoomFull}, handle: takes((*Server).addMembers)},
		{method: "DELETE", path: "/rooms/{room_id}/members/{user_id}", id: "removeMember", summary: "Remove a member; with me: leave", tag: tag,
			status: gone, errors: denied, handle: (*Server).removeMember},
		{method: "PATCH", path: "/rooms/{room_id}/members/{user_id}", id: "updateMember", summary: "Change a member's role, or mute him", tag: tag,
			body: MemberPatchBody{}, reply: MemberView{}, status: ok, errors: denied, handle: takes((*Server).updateMember)},
	}
}

func messageRoutes() []route {
	const tag = "messages"
	ok := []int{http.StatusOK}
	seq := func(name, doc string) param { return param{name: name, doc: doc, most: chat.MaxID} }
	return []route{
		{method: "GET", path: "/rooms/{room_id}/messages", id: "history", tag: tag,
			summary: "History: by page, newest first, or around a seq; without parameters page 1 of 20",
			params: []param{
				{name: "page", doc: "1 is the newest", least: 1, most: chat.MaxID},
				{name: "page_size", doc: "20 where left out", least: 1, most: maxPageSize},
				seq("before_seq", "the newest messages below it"), seq("after_seq", "the oldest messages above it"),
				seq("around_seq", "messages on both sides of it"),
				{name: "limit", doc: "with the seqs: how many, 20 where left out", least: 1, most: maxPageSize},
				seq("min_seq", "the caller has seen this seq already: no older copy may answer"),
			},
			reply: HistoryReply{}, status: ok, errors: []chat.Kind{chat.NotFound}, handle: (*Server).history},
		{method: "POST", path: "/rooms/{room_id}/messages", id: "postMessage", summary: "Send a message; 200 where it was there already", tag: tag,
			body: MessageBody{}, reply: protocol.Message{}, status: []int{http.StatusCreated, http.StatusOK},
			errors: []chat.Kind{chat.NotFound, chat.Forbidden, chat.Muted, chat.Blocked, chat.IdempotencyConflict, chat.RateLimited}, handle: takes((*Server).post)},
		{method: "PUT", path: "/rooms/{room_id}/read", id: "read", summary: "Move the read pointer", tag: tag,
			body: ReadBody{}, reply: ReadReply{}, status: ok, errors: []chat.Kind{chat.NotFound}, handle: takes((*Server).read)},
	}
}

// fiberPath writes {name} as :name.
func fiberPath(path string) string {
	return base + strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// mount registers all routes, the document, its page and the site.
func (s *Server) mount() error {
	all := routes()
	for _, r := range all {
		path := fiberPath(r.path)
		s.templates[path] = base + r.path
		h := s.guarded(r.handle)
		if r.open {
			h = s.open(r.handle)
		}
		s.add(r.method, path, h)
	}
	spec, err := document(all)
	if err != nil {
		return fmt.Errorf("make the OpenAPI document: %w", err)
	}
	s.add("GET", base+"/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Send(spec)
	})
	s.templates[base+"/openapi.json"] = base + "/openapi.json"
	s.mountDocs()
	s.mountSite()
	return nil
}

// add registers a handler, for HEAD too where the method is GET.
func (s *Server) add(method, path string, h fiber.Handler) {
	if method == fiber.MethodGet {
		s.app.Get(path, h)
		return
	}
	s.app.Add(method, path, h)
}
