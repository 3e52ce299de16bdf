package api

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// base is where the API lives.
const base = "/api/v1"

// route is one row of docs/protocol.md's table: the server mounts it and the OpenAPI document describes it, from the same
// values.
type route struct {
	method, path string // path is below base, parameters as {name}
	id, summary  string // operation id, and what it does
	tag          string // its group's
	open         bool   // no access token is needed
	params       []param
	reply        any // zero value of the JSON type; nil: none
	status       int // of success; 0: 204 for DELETE, else 200
	again        int // of success where it was done before; 0: the same
	errors       []chat.Kind
	do           action
}

// action is what answers a route, with the zero value of the body that it takes.
type action struct {
	handler
	body     any // nil: none
	optional bool
}

// param is one query parameter.
type param struct {
	name, doc   string
	least, most uint64   // of a number; most 0: it is text
	enum        []string // of a text
	required    bool
}

// routes lists everything there is below base.
func routes() []route {
	var all []route
	for _, group := range []struct {
		tag  string
		rows []route
	}{{"auth", authRoutes()}, {"users", userRoutes()}, {"rooms", roomRoutes()}, {"members", memberRoutes()}, {"messages", messageRoutes()}} {
		for _, r := range group.rows {
			r.tag = group.tag
			if r.status == 0 && r.method == http.MethodDelete {
				r.status = http.StatusNoContent
			}
			r.status = cmp.Or(r.status, http.StatusOK)
			all = append(all, r)
		}
	}
	return all
}

// RouteInfo names a route: its method, and its path below /api/v1 with parameters as {name}.
type RouteInfo struct{ Method, Path string }

// Routes lists what the server mounts, for documents and tests.
func Routes() []RouteInfo {
	all := routes()
	infos := make([]RouteInfo, len(all))
	for i, r := range all {
		infos[i] = RouteInfo{r.method, r.path}
	}
	return infos
}

func kinds(ks ...chat.Kind) []chat.Kind { return ks }

func authRoutes() []route {
	return []route{
		{
			method: "POST", path: "/auth/register", id: "register", summary: "Make an account", open: true, reply: RegisterReply{}, status: http.StatusCreated,
			errors: kinds(chat.UsernameTaken, chat.EmailTaken, chat.RateLimited), do: takes((*Server).register),
		},
		{
			method: "POST", path: "/auth/login", id: "login", summary: "Open a session", open: true, reply: TokenReply{},
			errors: kinds(chat.Unauthenticated, chat.Blocked, chat.RateLimited), do: takes((*Server).login),
		},
		{
			method: "POST", path: "/auth/refresh", id: "refresh", summary: "Trade a refresh token for a new pair; a token used twice ends its session", open: true,
			reply: TokenReply{}, errors: kinds(chat.Unauthenticated, chat.Forbidden), do: takes((*Server).refresh),
		},
		{method: "POST", path: "/auth/logout", id: "logout", summary: "End this session and close its sockets", reply: DoneReply{}, do: mayTake((*Server).logout)},
		{method: "POST", path: "/auth/logout-all", id: "logoutAll", summary: "End all of the caller's sessions", reply: DoneReply{}, do: mayTake((*Server).logoutAll)},
		{
			method: "POST", path: "/auth/password", id: "changePassword", summary: "Change the password and end the other sessions", reply: DoneReply{},
			errors: kinds(chat.Forbidden, chat.RateLimited), do: takes((*Server).changePassword),
		},
		{method: "GET", path: "/auth/sessions", id: "sessions", summary: "The caller's devices", reply: SessionsReply{}, do: plain((*Server).sessions)},
		{method: "DELETE", path: "/auth/sessions/{session_id}", id: "endSession", summary: "End one of them", errors: kinds(chat.NotFound), do: plain((*Server).endOther)},
	}
}

func userRoutes() []route {
	find := append([]param{{name: "q", doc: "the beginning of a username or nickname", required: true}}, pageParams()...)
	return []route{
		{method: "GET", path: "/me", id: "me", summary: "The caller's account", reply: protocol.User{}, do: plain((*Server).me)},
		{
			method: "PATCH", path: "/me", id: "updateMe", summary: "Change nickname, email or picture", reply: protocol.User{},
			errors: kinds(chat.EmailTaken), do: takes((*Server).updateMe),
		},
		{method: "GET", path: "/users", id: "findUsers", summary: "Find users", params: find, reply: UsersReply{}, do: plain((*Server).users)},
		{method: "GET", path: "/users/{user_id}", id: "user", summary: "One user", reply: protocol.User{}, errors: kinds(chat.NotFound), do: plain((*Server).oneUser)},
		{
			method: "GET", path: "/users/{user_id}/presence", id: "userPresence", summary: "Whether somebody who shares a room with the caller is online",
			reply: OnePresenceReply{}, errors: kinds(chat.NotFound), do: plain((*Server).onePresence),
		},
		{method: "POST", path: "/presence", id: "presence", summary: "The same of many; strangers are left out", reply: PresenceReply{}, do: takes((*Server).presence)},
	}
}

func roomRoutes() []route {
	list := append([]param{
		{name: "visibility", doc: "public: find rooms to join", enum: []string{"public"}}, {name: "q", doc: "with visibility=public: part of a name"},
	}, pageParams()...)
	denied := kinds(chat.NotFound, chat.Forbidden)
	return []route{
		{
			method: "GET", path: "/rooms", id: "rooms", summary: "The caller's rooms, newest activity first; or public rooms by name", params: list,
			reply: RoomsReply{}, do: plain((*Server).rooms),
		},
		{
			method: "POST", path: "/rooms", id: "createRoom", summary: "Make a group, or find or make the direct room with somebody",
			reply: protocol.ListedRoom{}, status: http.StatusCreated, again: http.StatusOK, errors: kinds(chat.RoomFull), do: takes((*Server).createRoom),
		},
		{method: "GET", path: "/rooms/{room_id}", id: "room", summary: "One room", reply: protocol.ListedRoom{}, errors: kinds(chat.NotFound), do: plain((*Server).room)},
		{
			method: "PATCH", path: "/rooms/{room_id}", id: "updateRoom", summary: "Rename, describe, open or close a group",
			reply: protocol.ListedRoom{}, errors: denied, do: takes((*Server).updateRoom),
		},
		{method: "DELETE", path: "/rooms/{room_id}", id: "dissolveRoom", summary: "Dissolve a group", errors: denied, do: plain((*Server).dissolve)},
		{
			method: "POST", path: "/rooms/{room_id}/owner", id: "transferRoom", summary: "Hand a group over to another member",
			reply: protocol.Room{}, errors: denied, do: takes((*Server).transfer),
		},
		{method: "GET", path: "/unread", id: "unread", summary: "Unread messages, in total and per room", reply: UnreadReply{}, do: plain((*Server).unread)},
	}
}

func memberRoutes() []route {
	denied := kinds(chat.NotFound, chat.Forbidden, chat.Conflict)
	return []route{
		{
			method: "GET", path: "/rooms/{room_id}/members", id: "members", summary: "Who is in a room", params: pageParams(),
			reply: MembersReply{}, errors: kinds(chat.NotFound, chat.Forbidden), do: plain((*Server).members),
		},
		{
			method: "POST", path: "/rooms/{room_id}/members", id: "addMembers", summary: "Add people; with one's own id: join a public room",
			reply: AddReply{}, errors: kinds(chat.NotFound, chat.Forbidden, chat.RoomFull), do: takes((*Server).addMembers),
		},
		{
			method: "DELETE", path: "/rooms/{room_id}/members/{user_id}", id: "removeMember", summary: "Remove a member; with me: leave",
			errors: denied, do: plain((*Server).removeMember),
		},
		{
			method: "PATCH", path: "/rooms/{room_id}/members/{user_id}", id: "updateMember", summary: "Change a member's role, or mute him",
			reply: MemberView{}, errors: denied, do: takes((*Server).updateMember),
		},
	}
}

func messageRoutes() []route {
	return []route{
		{
			method: "GET", path: "/rooms/{room_id}/messages", id: "history", params: historyParams(), reply: HistoryReply{}, errors: kinds(chat.NotFound),
			summary: "History: by page, newest first, or around a seq; without parameters page 1 of 20", do: plain((*Server).history),
		},
		{
			method: "POST", path: "/rooms/{room_id}/messages", id: "postMessage", summary: "Send a message; 200 where it was there already",
			reply: protocol.Message{}, status: http.StatusCreated, again: http.StatusOK,
			errors: kinds(chat.NotFound, chat.Forbidden, chat.Muted, chat.Blocked, chat.IdempotencyConflict), do: takes((*Server).post),
		},
		{
			method: "PUT", path: "/rooms/{room_id}/read", id: "read", summary: "Move the read pointer",
			reply: ReadReply{}, errors: kinds(chat.NotFound), do: takes((*Server).read),
		},
	}
}

func pageParams() []param {
	return []param{
		{name: "cursor", doc: "next_cursor of the page before"},
		{name: "limit", doc: "items per page, 50 where left out", least: 1, most: maxListLimit},
	}
}

func historyParams() []param {
	return []param{
		{name: "page", doc: "1 is the newest", least: 1, most: chat.MaxID},
		{name: "page_size", doc: "20 where left out", least: 1, most: maxPageSize},
		{name: "before_seq", doc: "the newest messages below it", most: chat.MaxID},
		{name: "after_seq", doc: "the oldest messages above it", most: chat.MaxID},
		{name: "around_seq", doc: "messages on both sides of it", most: chat.MaxID},
		{name: "limit", doc: "with the seqs: how many, 20 where left out", least: 1, most: maxPageSize},
		{name: "min_seq", doc: "the caller has seen this seq already: no older copy may answer", most: chat.MaxID},
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
		h := s.guarded(r.do.handler)
		if r.open {
			h = s.open(r.do.handler)
		}
		if s.app.Add(r.method, path, h); r.method == fiber.MethodGet {
			s.app.Head(path, h)
		}
	}
	spec, err := document(all)
	if err != nil {
		return fmt.Errorf("make the OpenAPI document: %w", err)
	}
	s.app.Get(base+"/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Send(spec)
	})
	s.templates[base+"/openapi.json"] = base + "/openapi.json"
	s.mountDocs()
	s.mountSite()
	return nil
}
