package server

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// Base is the path under which the routes are served.
const Base = "/api/v1"

// HeaderKey is the header by which a client names what it asks for, so that a repeat is done once (Route.Keyed).
const HeaderKey = "Idempotency-Key"

// Route is one row of the route table: the server mounts it and the OpenAPI document describes it, from the same
// values.
type Route struct {
	Method, Path string     // Path is below Base, parameters as {name}
	ID, Summary  string     // operation id, and what it does
	Tag          string     // its group's
	Open         bool       // no access token is needed
	Scope        chat.Scope // it is for keys with this scope, and no access token; "": it is for users
	Params       []Param
	Reply        any // zero value of the JSON type; nil: none
	Status       int // of success; 0: 204 for DELETE, else 200
	Again        int // of success if it was done before; 0: the same
	Errors       []chat.Kind
	Lines        bool   // it answers with JSON lines (Call.Lines) and no Reply
	Keyed        bool   // it takes the header Idempotency-Key: a repeat under the same key is done once
	Rule         string // what the body's fields must be together, and JSON Schema can't say
	Do           Action
}

// Handler is a verb: it answers a call, or returns the error to answer with.
type Handler func(c *Call) error

// Action is the verb of a route, with the zero value of the body that it takes.
type Action struct {
	handler  Handler
	body     any // nil: none
	fields   []field
	optional bool
}

// Plain is an action that takes no body.
func Plain(h Handler) Action { return Action{handler: h} }

// Takes is an action with a JSON body, decoded strictly: what can't be read never reaches the verb.
func Takes[T any](h func(*Call, T) error) Action {
	var zero T
	fields := fieldsOf(reflect.TypeFor[T]())
	return Action{body: zero, fields: fields, handler: func(c *Call) error {
		var body T
		if err := decode(c.http, &body); err != nil {
			return err
		}
		if err := judge(reflect.ValueOf(&body).Elem(), fields, c.srv.opts.Limits); err != nil {
			return err
		}
		return h(c, body)
	}}
}

// MayTake is Takes for a body that may be left out.
func MayTake[T any](h func(*Call, T) error) Action {
	a := Takes(h)
	with := a.handler
	a.optional, a.handler = true, func(c *Call) error {
		if len(c.http.Request().Body()) > 0 {
			return with(c)
		}
		var none T
		return h(c, none)
	}
	return a
}

// success is the status of success.
func (r Route) success() int {
	if r.Status == 0 && r.Method == http.MethodDelete {
		return http.StatusNoContent
	}
	return cmp.Or(r.Status, http.StatusOK)
}

// outcomes lists the problems of a route, by status, with their codes: those of every route of its form, its own, and that
// something is unavailable.
func (r Route) outcomes() map[int][]string {
	all := map[int][]string{}
	add := func(status int, k chat.Kind) {
		if code := k.String(); !slices.Contains(all[status], code) {
			all[status] = append(all[status], code)
		}
	}
	kinds := slices.Clone(r.Errors)
	if r.Do.body != nil {
		add(http.StatusUnsupportedMediaType, chat.Invalid)
		kinds = append(kinds, chat.UnknownField, chat.TooLarge)
	}
	if r.Do.body != nil || len(r.Params) > 0 || r.Keyed {
		kinds = append(kinds, chat.Invalid)
	}
	if r.Keyed {
		kinds = append(kinds, chat.IdempotencyConflict)
	}
	if r.Do.body != nil || slices.ContainsFunc(r.Params, func(p Param) bool { return p.Cursor }) || len(ids(r.Path)) > 0 {
		add(http.StatusBadRequest, chat.Invalid)
	}
	if len(ids(r.Path)) > 0 {
		kinds = append(kinds, chat.NotFound)
	}
	switch {
	case r.Scope != "":
		kinds = append(kinds, chat.Unauthenticated, chat.Forbidden, chat.RateLimited)
	case !r.Open:
		kinds = append(kinds, chat.Unauthenticated, chat.TokenExpired, chat.RateLimited)
	}
	for _, k := range append(kinds, chat.Unavailable) {
		add(protocol.Status(k), k)
	}
	return all
}

// ids lists the parameters of a path that are ids.
func ids(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if slices.Contains([]string{"{room_id}", "{user_id}", "{seq}", "{user}", "{room}", "{webhook_id}", "{job}"}, part) {
			names = append(names, strings.Trim(part, "{}"))
		}
	}
	return names
}

// RouteInfo is what can be known of a route without serving it: what tests and documents compare themselves with.
type RouteInfo struct {
	Method, Path, ID, Tag string
	Open                  bool       // no access token is needed
	Scope                 chat.Scope // it takes a key with this scope, and no access token
	Body, Reply           any        // zero values of the JSON types; nil: none
	Params                []Param
	Keyed                 bool  // it takes the header Idempotency-Key
	Statuses              []int // of success and of its problems, ascending, each once
}

// Info describes the route.
func (r Route) Info() RouteInfo {
	statuses := []int{r.success(), cmp.Or(r.Again, r.success())}
	statuses = slices.AppendSeq(statuses, maps.Keys(r.outcomes()))
	slices.Sort(statuses)
	return RouteInfo{
		Method: r.Method, Path: r.Path, ID: r.ID, Tag: r.Tag, Open: r.Open, Scope: r.Scope, Body: r.Do.body, Reply: r.Reply, Params: r.Params,
		Keyed: r.Keyed, Statuses: slices.Compact(statuses),
	}
}

// fiberPath writes {name} as :name.
func fiberPath(path string) string {
	return Base + strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// mount registers all routes, the document, its page and the site.
func (s *Server) mount(routes []Route) error {
	for _, r := range routes {
		path := fiberPath(r.Path)
		s.templates[path] = Base + r.Path
		h := s.guarded(r)
		switch {
		case r.Scope != "":
			h = s.keyed(r)
		case r.Open:
			h = s.open(r)
		}
		if s.app.Add(r.Method, path, h); r.Method == fiber.MethodGet {
			s.app.Head(path, h)
		}
	}
	spec, err := document(s.opts.About, routes, s.opts.Limits)
	if err != nil {
		return fmt.Errorf("make the OpenAPI document: %w", err)
	}
	s.app.Get(Base+"/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Send(spec)
	})
	s.templates[Base+"/openapi.json"] = Base + "/openapi.json"
	s.mountDocs()
	s.mountSite()
	return nil
}

// Mounted lists what the server answers below Base, as "METHOD /path/{name}", without HEAD and the document itself:
// whatever the route table says, this is what clients reach.
func (s *Server) Mounted() []string {
	var out []string
	for _, r := range s.app.GetRoutes(true) {
		if r.Method == http.MethodHead || r.Path == Base+"/openapi.json" || strings.HasPrefix(r.Path, "/docs") {
			continue
		}
		path := r.Path
		for _, p := range r.Params {
			path = strings.ReplaceAll(path, ":"+p, "{"+p+"}")
		}
		out = append(out, r.Method+" "+strings.TrimPrefix(path, Base))
	}
	return out
}

// Kinds lists the errors of a row besides those that its form brings along (Route).
func Kinds(ks ...chat.Kind) []chat.Kind { return ks }

// Tagged puts rows into a group.
func Tagged(tag string, rows []Route) []Route {
	for i := range rows {
		rows[i].Tag = tag
	}
	return rows
}
