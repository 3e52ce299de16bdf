package api

import (
	"net/http"
	"slices"

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

// routes is the route table, a group of rows per tag. A new route is a row here, or in the package of its group, and a verb; its
// schema, its errors' statuses and its metrics' label follow from the row.
func (s *station) routes() []server.Route {
	return slices.Concat(
		server.Tagged("auth", s.authRoutes()),
		server.Tagged("users", s.userRoutes()),
		s.rooms.Routes(),
		s.backend.Routes(),
	)
}

func (s *station) authRoutes() []server.Route {
	return []server.Route{
		{
			Method: "POST", Path: "/auth/register", ID: "register", Open: true, Summary: "Create an account",
			Reply: RegisterReply{}, Status: http.StatusCreated,
			Errors: server.Kinds(chat.UsernameTaken, chat.EmailTaken, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.register),
		},
		{
			Method: "POST", Path: "/auth/login", ID: "login", Open: true, Summary: "Open a session", Reply: TokenReply{},
			Errors: server.Kinds(chat.Unauthenticated, chat.Blocked, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.login),
		},
		{
			Method: "POST", Path: "/auth/exchange", ID: "exchange", Open: true,
			Summary: "Trade a token of the application's own issuer for a session", Reply: TokenReply{},
			Errors: server.Kinds(chat.Unauthenticated, chat.TokenExpired, chat.Blocked, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.exchange),
		},
		{
			Method: "POST", Path: "/auth/refresh", ID: "refresh", Open: true,
			Summary: "Trade a refresh token for a new pair; using one twice ends its session", Reply: TokenReply{},
			Errors: server.Kinds(chat.Unauthenticated, chat.Blocked, chat.RateLimited), Do: server.Takes(s.refresh),
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
			Errors: server.Kinds(chat.Forbidden, chat.RateLimited), Do: server.Takes(s.changePassword),
		},
		{
			Method: "GET", Path: "/auth/sessions", ID: "sessions", Summary: "List the caller's sessions",
			Reply: SessionsReply{}, Do: server.Plain(s.sessions),
		},
		{
			Method: "DELETE", Path: "/auth/sessions/{session_id}", ID: "endSession",
			Summary: "End one of the caller's sessions", Errors: server.Kinds(chat.NotFound), Do: server.Plain(s.endOther),
		},
	}
}

func (s *station) userRoutes() []server.Route {
	find := append([]server.Param{
		{Name: "q", Doc: "the beginning of a username or nickname", Bytes: server.MaxQuery, Required: true, Rule: "not blank", Example: "an"},
	}, server.PageParams()...)
	return []server.Route{
		{
			Method: "GET", Path: "/me", ID: "me", Summary: "Show the caller's account", Reply: protocol.User{},
			Do: server.Plain(s.me),
		},
		{
			Method: "PATCH", Path: "/me", ID: "updateMe", Summary: "Change nickname, email or picture",
			Reply: protocol.User{}, Errors: server.Kinds(chat.EmailTaken, chat.Forbidden, chat.RateLimited), Do: server.Takes(s.updateMe),
			Rule: "a change of email takes the current password",
		},
		{
			Method: "GET", Path: "/users", ID: "findUsers", Summary: "Find users", Params: find, Reply: UsersReply{},
			Do: server.Plain(s.users),
		},
		{
			Method: "GET", Path: "/users/{user_id}", ID: "user", Summary: "Show a user", Reply: protocol.User{},
			Errors: server.Kinds(chat.NotFound), Do: server.Plain(s.oneUser),
		},
		{
			Method: "GET", Path: "/users/{user_id}/presence", ID: "userPresence",
			Summary: "Show whether a user who shares a room with the caller is online", Reply: OnePresenceReply{},
			Errors: server.Kinds(chat.NotFound), Do: server.Plain(s.onePresence),
		},
		{
			Method: "POST", Path: "/presence", ID: "presence",
			Summary: "Show which of many users are online; those who share no room with the caller are left out",
			Reply:   PresenceReply{}, Do: server.Takes(s.presence),
		},
	}
}
