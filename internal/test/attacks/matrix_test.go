//go:build e2e

package attacks

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"chat-service/internal/api"
	"chat-service/internal/api/server"
	"chat-service/internal/protocol"
	"chat-service/internal/test/testkit"
)

// roles are the columns: nobody, a token of an ended session of the owner, a disabled member, somebody who was never in the room,
// somebody who was removed from it, and those who are in it; and the application's backend, by a key with the route's scope and by one
// without it.
var roles = []string{"anonymous", "ended", "disabled", "stranger", "ex", "member", "admin", "owner", keyed, unkeyed}

const (
	keyed   = "key with the scope"
	unkeyed = "key without it"
	// elsewhere is who stands in for unkeyed, whose key is for webhooks, at routes about these.
	elsewhere = "key for the rest"
)

// refusedAtOnce are the roles whose sockets get no welcome.
func refusedAtOnce(role string) bool {
	return slices.Contains([]string{"ended", "disabled", keyed, unkeyed}, role)
}

// toKeys is what a route for keys answers to the roles: keys is what it answers to those, by their scope.
func toKeys(keys string) string { return strings.Repeat("401 ", len(roles)-2) + keys }

// cellsOf are the row's cells. Where it doesn't say what keys are answered, they are no better than no token.
func (c cells) cellsOf(open bool) []string {
	want := strings.Fields(c.answers)
	switch {
	case len(want) != len(roles)-2:
	case strings.Contains(c.call, " /") && open:
		want = append(want, want[0], want[0])
	case strings.Contains(c.call, " /"):
		want = append(want, "401", "401")
	default:
		want = append(want, "4500", "4500") // no socket takes one
	}
	return want
}

// The kinds of rooms; a direct room has no ex-member, admin and owner.
const (
	dm      = "direct"
	private = "private"
	public  = "public"
	anyRoom = "–"
)

// cells are what each role is answered: status and code in REST, for a frame what comes back, "." where there is no such role.
type cells struct {
	call    string // method and path, or type of frame
	variant string // what the body asks for, where one call has several rows
	room    string
	answers string
	send    func(c *cast, u user) any // the body, or the frame
}

// routes is the matrix of REST. A code that belongs to its status isn't written out: 401 unauthenticated, 403 forbidden, 404 not_found,
// 409 conflict.
var routes = []cells{
	{"POST /auth/register", "", anyRoom, "201 201 201 201 201 201 201 201", func(*cast, user) any { return obj{"username": "u" + fresh(), "password": goodPassword} }},
	{"POST /auth/login", "", anyRoom, "401 200 403_blocked 200 200 200 200 200", func(_ *cast, u user) any {
		return obj{"username": cmp.Or(u.Username, "nobody"), "password": cmp.Or(u.Password, goodPassword)}
	}},
	{"POST /auth/exchange", "", anyRoom, "403 403 403 403 403 403 403 403", func(*cast, user) any { return obj{"token": "made up"} }}, // no issuer is configured
	{"POST /auth/refresh", "", anyRoom, "401 401 403_blocked 200 200 200 200 200", func(_ *cast, u user) any {
		return obj{"refresh_token": cmp.Or(u.Refresh, "made up")}
	}},
	{"POST /auth/logout", "", anyRoom, "401 401 401 200 200 200 200 200", nil},
	{"POST /auth/logout-all", "", anyRoom, "401 401 401 200 200 200 200 200", nil},
	{"POST /auth/password", "", anyRoom, "401 401 401 200 200 200 200 200", func(_ *cast, u user) any { return obj{"old_password": u.Password, "new_password": goodPassword} }},
	{"GET /auth/sessions", "", anyRoom, "401 401 401 200 200 200 200 200", nil},
	{"DELETE /auth/sessions/{session_id}", "own", anyRoom, "401 401 401 204 204 204 204 204", nil},
	{"DELETE /auth/sessions/{session_id}", "another's", anyRoom, "401 401 401 404 404 404 404 404", nil},
	{"GET /me", "", anyRoom, "401 401 401 200 200 200 200 200", nil},
	{"PATCH /me", "", anyRoom, "401 401 401 200 200 200 200 200", func(*cast, user) any { return obj{"nickname": "Another"} }},
	{"GET /users", "", anyRoom, "401 401 401 200 200 200 200 200", nil},
	{"GET /users/{user_id}", "", anyRoom, "401 401 401 200 200 200 200 200", nil},
	{"GET /users/{user_id}/presence", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /users/{user_id}/presence", "", private, "401 401 401 404 404 200 200 200", nil},
	{"GET /users/{user_id}/presence", "", public, "401 401 401 404 404 200 200 200", nil},
	{"POST /presence", "", anyRoom, "401 401 401 200 200 200 200 200", func(c *cast, _ user) any { return obj{"user_ids": []uint64{c.target.ID}} }},
	{"GET /rooms", "", anyRoom, "401 401 401 200 200 200 200 200", nil},
	{"POST /rooms", "", anyRoom, "401 401 401 201 201 201 201 201", func(*cast, user) any { return obj{"name": "another"} }},
	{"GET /unread", "", anyRoom, "401 401 401 200 200 200 200 200", nil},

	{"GET /rooms/{room_id}", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /rooms/{room_id}", "", private, "401 401 401 404 404 200 200 200", nil},
	{"GET /rooms/{room_id}", "", public, "401 401 401 200 200 200 200 200", nil},
	{"PATCH /rooms/{room_id}", "", dm, "401 401 401 404 . 403 . .", rename},
	{"PATCH /rooms/{room_id}", "", private, "401 401 401 404 404 403 200 200", rename},
	{"PATCH /rooms/{room_id}", "", public, "401 401 401 403 403 403 200 200", rename},
	{"DELETE /rooms/{room_id}", "", dm, "401 401 401 404 . 403 . .", nil},
	{"DELETE /rooms/{room_id}", "", private, "401 401 401 404 404 403 403 204", nil},
	{"DELETE /rooms/{room_id}", "", public, "401 401 401 403 403 403 403 204", nil},
	{"POST /rooms/{room_id}/owner", "", dm, "401 401 401 404 . 403 . .", heir},
	{"POST /rooms/{room_id}/owner", "", private, "401 401 401 404 404 403 403 200", heir},
	{"POST /rooms/{room_id}/owner", "", public, "401 401 401 403 403 403 403 200", heir},

	{"GET /rooms/{room_id}/members", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /rooms/{room_id}/members", "", private, "401 401 401 404 404 200 200 200", nil},
	{"GET /rooms/{room_id}/members", "", public, "401 401 401 403 403 200 200 200", nil},
	{"POST /rooms/{room_id}/members", "another", dm, "401 401 401 404 . 403 . .", newcomer},
	{"POST /rooms/{room_id}/members", "another", private, "401 401 401 404 404 403 200 200", newcomer},
	{"POST /rooms/{room_id}/members", "another", public, "401 401 401 403 403 200 200 200", newcomer},
	{"POST /rooms/{room_id}/members", "oneself", dm, "401 401 401 404 . 403 . .", oneself},
	{"POST /rooms/{room_id}/members", "oneself", private, "401 401 401 404 404 403 200 200", oneself},
	{"POST /rooms/{room_id}/members", "oneself", public, "401 401 401 200 200 200 200 200", oneself},
	{"DELETE /rooms/{room_id}/members/{user_id}", "another", dm, "401 401 401 404 . 403 . .", nil},
	{"DELETE /rooms/{room_id}/members/{user_id}", "another", private, "401 401 401 404 404 403 204 204", nil},
	{"DELETE /rooms/{room_id}/members/{user_id}", "another", public, "401 401 401 403 403 403 204 204", nil},
	{"DELETE /rooms/{room_id}/members/{user_id}", "me", dm, "401 401 401 404 . 403 . .", nil},
	{"DELETE /rooms/{room_id}/members/{user_id}", "me", private, "401 401 401 404 404 204 204 409", nil},
	{"DELETE /rooms/{room_id}/members/{user_id}", "me", public, "401 401 401 404 404 204 204 409", nil},
	{"PATCH /rooms/{room_id}/members/{user_id}", "role", dm, "401 401 401 404 . 403 . .", promotion},
	{"PATCH /rooms/{room_id}/members/{user_id}", "role", private, "401 401 401 404 404 403 403 200", promotion},
	{"PATCH /rooms/{room_id}/members/{user_id}", "role", public, "401 401 401 403 403 403 403 200", promotion},
	{"PATCH /rooms/{room_id}/members/{user_id}", "mute", dm, "401 401 401 404 . 403 . .", mute},
	{"PATCH /rooms/{room_id}/members/{user_id}", "mute", private, "401 401 401 404 404 403 200 200", mute},
	{"PATCH /rooms/{room_id}/members/{user_id}", "mute", public, "401 401 401 403 403 403 200 200", mute},

	{"GET /rooms/{room_id}/messages", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /rooms/{room_id}/messages", "", private, "401 401 401 404 200 200 200 200", nil},
	{"GET /rooms/{room_id}/messages", "", public, "401 401 401 404 200 200 200 200", nil},
	{"POST /rooms/{room_id}/messages", "", dm, "401 401 401 404 . 201 . .", text},
	{"POST /rooms/{room_id}/messages", "", private, "401 401 401 404 404 201 201 201", text},
	{"POST /rooms/{room_id}/messages", "", public, "401 401 401 404 404 201 201 201", text},
	{"GET /rooms/{room_id}/messages/{seq}", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /rooms/{room_id}/messages/{seq}", "", private, "401 401 401 404 404 200 200 200", nil},
	{"GET /rooms/{room_id}/messages/{seq}", "", public, "401 401 401 404 404 200 200 200", nil},
	{"PATCH /rooms/{room_id}/messages/{seq}", "another's", dm, "401 401 401 404 . 403 . .", edit},
	{"PATCH /rooms/{room_id}/messages/{seq}", "another's", private, "401 401 401 404 404 403 403 403", edit},
	{"PATCH /rooms/{room_id}/messages/{seq}", "another's", public, "401 401 401 404 404 403 403 403", edit},
	{"PATCH /rooms/{room_id}/messages/{seq}", "own message", dm, "401 401 401 404 . 200 . .", edit},
	{"PATCH /rooms/{room_id}/messages/{seq}", "own message", private, "401 401 401 404 404 200 200 200", edit},
	{"PATCH /rooms/{room_id}/messages/{seq}", "own message", public, "401 401 401 404 404 200 200 200", edit},
	{"DELETE /rooms/{room_id}/messages/{seq}", "another's", dm, "401 401 401 404 . 403 . .", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}", "another's", private, "401 401 401 404 404 403 200 200", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}", "another's", public, "401 401 401 404 404 403 200 200", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}", "own message", dm, "401 401 401 404 . 200 . .", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}", "own message", private, "401 401 401 404 404 200 200 200", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}", "own message", public, "401 401 401 404 404 200 200 200", nil},
	{"GET /rooms/{room_id}/messages/{seq}/versions", "another's", dm, "401 401 401 404 . 403 . .", nil},
	{"GET /rooms/{room_id}/messages/{seq}/versions", "another's", private, "401 401 401 404 404 403 200 200", nil},
	{"GET /rooms/{room_id}/messages/{seq}/versions", "another's", public, "401 401 401 404 404 403 200 200", nil},
	{"GET /rooms/{room_id}/messages/{seq}/versions", "own message", private, "401 401 401 404 404 200 200 200", nil},
	{"PUT /rooms/{room_id}/messages/{seq}/reactions/{key}", "", dm, "401 401 401 404 . 200 . .", nil},
	{"PUT /rooms/{room_id}/messages/{seq}/reactions/{key}", "", private, "401 401 401 404 404 200 200 200", nil},
	{"PUT /rooms/{room_id}/messages/{seq}/reactions/{key}", "", public, "401 401 401 404 404 200 200 200", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}/reactions/{key}", "", dm, "401 401 401 404 . 200 . .", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}/reactions/{key}", "", private, "401 401 401 404 404 200 200 200", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}/reactions/{key}", "", public, "401 401 401 404 404 200 200 200", nil},
	{"GET /rooms/{room_id}/messages/{seq}/reactions", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /rooms/{room_id}/messages/{seq}/reactions", "", private, "401 401 401 404 404 200 200 200", nil},
	{"GET /rooms/{room_id}/messages/{seq}/reactions", "", public, "401 401 401 404 404 200 200 200", nil},
	{"GET /rooms/{room_id}/reactions/mine", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /rooms/{room_id}/reactions/mine", "", private, "401 401 401 404 200 200 200 200", nil},
	{"GET /rooms/{room_id}/reactions/mine", "", public, "401 401 401 404 200 200 200 200", nil},
	{"PUT /rooms/{room_id}/messages/{seq}/pin", "", dm, "401 401 401 404 . 200 . .", nil},
	{"PUT /rooms/{room_id}/messages/{seq}/pin", "", private, "401 401 401 404 404 403 200 200", nil},
	{"PUT /rooms/{room_id}/messages/{seq}/pin", "", public, "401 401 401 404 404 403 200 200", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}/pin", "", dm, "401 401 401 404 . 200 . .", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}/pin", "", private, "401 401 401 404 404 403 200 200", nil},
	{"DELETE /rooms/{room_id}/messages/{seq}/pin", "", public, "401 401 401 404 404 403 200 200", nil},
	{"GET /rooms/{room_id}/pins", "", dm, "401 401 401 404 . 200 . .", nil},
	{"GET /rooms/{room_id}/pins", "", private, "401 401 401 404 200 200 200 200", nil},
	{"GET /rooms/{room_id}/pins", "", public, "401 401 401 404 200 200 200 200", nil},
	{"PUT /rooms/{room_id}/read", "", dm, "401 401 401 404 . 200 . .", pointer},
	{"PUT /rooms/{room_id}/read", "", private, "401 401 401 404 404 200 200 200", pointer},
	{"PUT /rooms/{room_id}/read", "", public, "401 401 401 404 404 200 200 200", pointer},

	{"PUT /server/users/{user}", "", anyRoom, toKeys("200 403"), func(*cast, user) any { return obj{"nickname": "Another"} }},
	{"GET /server/users/{user}", "", anyRoom, toKeys("200 403"), nil},
	{"POST /server/users", "", anyRoom, toKeys("200 403"), func(*cast, user) any { return obj{"users": []obj{{"id": "ext:" + fresh()}}} }},
	{"POST /server/users/{user}/tokens", "", anyRoom, toKeys("200 403"), func(*cast, user) any { return obj{"ttl_seconds": 60} }},
	{"POST /server/users/{user}/tokens/revoke", "", anyRoom, toKeys("200 403"), nil},
	{"PUT /server/users/{user}/disabled", "", anyRoom, toKeys("200 403"), nil},
	{"DELETE /server/users/{user}/disabled", "", anyRoom, toKeys("204 403"), nil},
	{"PUT /server/rooms/{room}", "", dm, toKeys("403 403"), rename},
	{"PUT /server/rooms/{room}", "", private, toKeys("200 403"), rename},
	{"PUT /server/rooms/{room}", "", public, toKeys("200 403"), rename},
	{"GET /server/rooms/{room}", "", dm, toKeys("200 403"), nil},
	{"GET /server/rooms/{room}", "", private, toKeys("200 403"), nil},
	{"DELETE /server/users/{user}", "", anyRoom, toKeys("204 403"), nil},
	{"DELETE /server/users/{user}", "erase", anyRoom, toKeys("202 403"), nil},
	{"POST /server/export", "", anyRoom, toKeys("201 403"), func(c *cast, _ user) any { return obj{"user": fmt.Sprint(c.target.ID)} }},
	{"GET /server/export/{job}", "", anyRoom, toKeys("404 403"), nil},
	{"GET /server/audit", "", anyRoom, toKeys("200 403"), nil},
	{"GET /server/jobs/{job}", "", anyRoom, toKeys("404 403"), nil},
	{"GET /server/users/{user}/rooms", "", anyRoom, toKeys("200 403"), nil},
	{"POST /server/rooms", "", anyRoom, toKeys("201 403"), func(c *cast, _ user) any {
		return obj{"type": "direct", "members": []string{fmt.Sprint(c.target.ID), fmt.Sprint(c.newcomer.ID)}}
	}},
	{"DELETE /server/rooms/{room}", "", dm, toKeys("403 403"), nil},
	{"DELETE /server/rooms/{room}", "", private, toKeys("204 403"), nil},
	{"GET /server/rooms/{room}/members", "", dm, toKeys("200 403"), nil},
	{"GET /server/rooms/{room}/members", "", private, toKeys("200 403"), nil},
	{"GET /server/rooms/{room}/messages/{seq}", "", dm, toKeys("200 403"), nil},
	{"GET /server/rooms/{room}/messages/{seq}", "", private, toKeys("200 403"), nil},
	{"PUT /server/rooms/{room}/members/{user}", "promotion", private, toKeys("200 403"), promotion},
	{"PUT /server/rooms/{room}/members/{user}", "", dm, toKeys("403 403"), nil},
	{"PUT /server/rooms/{room}/members/{user}", "", private, toKeys("200 403"), nil},
	{"DELETE /server/rooms/{room}/members/{user}", "", dm, toKeys("403 403"), nil},
	{"DELETE /server/rooms/{room}/members/{user}", "", private, toKeys("204 403"), nil},
	{"GET /server/rooms/{room}/messages", "", dm, toKeys("200 403"), nil},
	{"GET /server/rooms/{room}/messages", "", private, toKeys("200 403"), nil},
	{"POST /server/rooms/{room}/messages", "as a member", dm, toKeys("201 403"), spoken},
	{"POST /server/rooms/{room}/messages", "as a member", private, toKeys("201 403"), spoken},
	{"POST /server/rooms/{room}/messages", "as another", private, toKeys("404 403"), func(c *cast, _ user) any {
		return obj{"as": fmt.Sprint(c.newcomer.ID), "content": "hello"}
	}},
	{"POST /server/rooms/{room}/messages", "as the system", dm, toKeys("201 403"), func(*cast, user) any { return obj{"as": "system", "content": "hello"} }},
	{"DELETE /server/rooms/{room}/messages/{seq}", "", dm, toKeys("200 403"), nil},
	{"DELETE /server/rooms/{room}/messages/{seq}", "", private, toKeys("200 403"), nil},
	{"POST /server/webhooks", "", anyRoom, toKeys("201 403"), func(*cast, user) any { return endpoint }},
	{"POST /server/webhooks", "at a private address", anyRoom, toKeys("422_invalid 403"), func(*cast, user) any { return obj{"url": "https://10.0.0.1/"} }},
	{"GET /server/webhooks", "", anyRoom, toKeys("200 403"), nil},
	{"GET /server/webhooks/{webhook_id}", "", anyRoom, toKeys("200 403"), nil},
	{"PATCH /server/webhooks/{webhook_id}", "", anyRoom, toKeys("200 403"), func(*cast, user) any { return obj{"name": "Another"} }},
	{"DELETE /server/webhooks/{webhook_id}", "", anyRoom, toKeys("204 403"), nil},
	{"POST /server/webhooks/{webhook_id}/secret", "", anyRoom, toKeys("200 403"), nil},
	{"GET /server/webhooks/{webhook_id}/attempts", "", anyRoom, toKeys("200 403"), nil},
	{"POST /server/webhooks/{webhook_id}/replay", "", anyRoom, toKeys("200 403"), func(*cast, user) any { return obj{"since": "2026-01-01T00:00:00Z"} }},
}

// endpoint is a body that makes one to which nothing is posted.
var endpoint = obj{"url": "https://hooks.invalid/", "enabled": false}

// frames is the matrix of what clients send: an error's code, a close code, or what comes: ack, joined … "read" and "typing" reach the
// sender's other device and another member; "presence n" shows n of the users asked for; "kept" is a socket that goes on.
var frames = []cells{
	{"message", "", dm, "4501 4502 4504 not_found . ack . .", textFrame},
	{"message", "", private, "4501 4502 4504 not_found not_found ack ack ack", textFrame},
	{"message", "", public, "4501 4502 4504 not_found not_found ack ack ack", textFrame},
	{"edit", "another's", dm, "4501 4502 4504 not_found . forbidden . .", changeFrame("edit")},
	{"edit", "another's", private, "4501 4502 4504 not_found not_found forbidden forbidden forbidden", changeFrame("edit")},
	{"edit", "another's", public, "4501 4502 4504 not_found not_found forbidden forbidden forbidden", changeFrame("edit")},
	{"edit", "own message", private, "4501 4502 4504 not_found not_found done done done", changeFrame("edit")},
	{"recall", "another's", dm, "4501 4502 4504 not_found . forbidden . .", changeFrame("recall")},
	{"recall", "another's", private, "4501 4502 4504 not_found not_found forbidden done done", changeFrame("recall")},
	{"recall", "another's", public, "4501 4502 4504 not_found not_found forbidden done done", changeFrame("recall")},
	{"recall", "own message", dm, "4501 4502 4504 not_found . done . .", changeFrame("recall")},
	{"pin", "", dm, "4501 4502 4504 not_found . done . .", changeFrame("pin")},
	{"pin", "", private, "4501 4502 4504 not_found not_found forbidden done done", changeFrame("pin")},
	{"pin", "", public, "4501 4502 4504 not_found not_found forbidden done done", changeFrame("pin")},
	{"react", "", dm, "4501 4502 4504 not_found . done . .", changeFrame("react")},
	{"react", "", private, "4501 4502 4504 not_found not_found done done done", changeFrame("react")},
	{"react", "", public, "4501 4502 4504 not_found not_found done done done", changeFrame("react")},
	{"join_room", "", dm, "4501 4502 4504 not_found . joined . .", roomFrame("join_room")},
	{"join_room", "", private, "4501 4502 4504 not_found not_found joined joined joined", roomFrame("join_room")},
	{"join_room", "", public, "4501 4502 4504 joined joined joined joined joined", roomFrame("join_room")},
	{"leave_room", "", dm, "4501 4502 4504 not_found . left . .", roomFrame("leave_room")},
	{"leave_room", "", private, "4501 4502 4504 not_found not_found left left left", roomFrame("leave_room")},
	{"leave_room", "", public, "4501 4502 4504 not_found not_found left left left", roomFrame("leave_room")},
	{"read", "", dm, "4501 4502 4504 not_found . read . .", pointerFrame},
	{"read", "", private, "4501 4502 4504 not_found not_found read read read", pointerFrame},
	{"read", "", public, "4501 4502 4504 not_found not_found read read read", pointerFrame},
	{"typing", "", dm, "4501 4502 4504 not_found . typing . .", roomFrame("typing")},
	{"typing", "", private, "4501 4502 4504 not_found not_found typing typing typing", roomFrame("typing")},
	{"typing", "", public, "4501 4502 4504 not_found not_found typing typing typing", roomFrame("typing")},
	{"sync", "", dm, "4501 4502 4504 not_found . synced . .", syncFrame},
	{"sync", "", private, "4501 4502 4504 not_found synced synced synced synced", syncFrame},
	{"sync", "", public, "4501 4502 4504 not_found synced synced synced synced", syncFrame},
	{"presence", "", dm, "4501 4502 4504 presence_0 . presence_1 . .", watchFrame},
	{"presence", "", private, "4501 4502 4504 presence_0 presence_0 presence_1 presence_1 presence_1", watchFrame},
	{"presence", "", public, "4501 4502 4504 presence_0 presence_0 presence_1 presence_1 presence_1", watchFrame},
	{"auth", "one's own token", anyRoom, "4500 4502 4504 kept kept kept kept kept", func(_ *cast, u user) any {
		return obj{"type": "auth", "token": cmp.Or(u.Token, "made up")}
	}},
	{"auth", "another's token", anyRoom, "4500 4502 4504 4501 4501 4501 4501 4501", func(c *cast, u user) any {
		if u.ID == 0 {
			return obj{"type": "auth", "token": "x"}
		}
		return obj{"type": "auth", "token": c.target.Token}
	}},
	{"ping", "", anyRoom, "4501 4502 4504 pong pong pong pong pong", func(*cast, user) any { return obj{"type": "ping"} }},
}

func rename(*cast, user) any       { return obj{"name": "renamed"} }
func heir(c *cast, _ user) any     { return obj{"user_id": c.target.ID} }
func newcomer(c *cast, _ user) any { return obj{"member_ids": []uint64{c.newcomer.ID}} }
func oneself(_ *cast, u user) any  { return obj{"member_ids": []uint64{max(u.ID, 1)}} }
func promotion(*cast, user) any    { return obj{"role": "admin"} }
func mute(*cast, user) any         { return obj{"mute_seconds": 60} }
func text(*cast, user) any         { return obj{"content": "hello", "client_msg_id": fresh()} }
func pointer(*cast, user) any      { return obj{"seq": 1} }
func edit(*cast, user) any         { return obj{"content": "edited"} }
func spoken(c *cast, _ user) any {
	return obj{"as": fmt.Sprint(c.target.ID), "content": "hello", "client_msg_id": fresh()}
}

// changeOf are the fields of a frame that changes a message.
func changeOf(typ string, seq uint64) obj {
	f := obj{"seq": seq, "change_id": "same"}
	switch typ {
	case "edit":
		f["content"] = "edited"
	case "react":
		f["key"], f["on"] = "👍", true
	case "pin":
		f["on"] = true
	}
	return f
}

func changeFrame(typ string) func(*cast, user) any {
	return func(c *cast, _ user) any {
		f := obj{"type": typ, "room_id": c.room}
		maps.Copy(f, changeOf(typ, c.last))
		return f
	}
}

func textFrame(c *cast, _ user) any {
	return obj{"type": "message", "room_id": c.room, "content": "hello", "client_msg_id": fresh()}
}

func roomFrame(typ string) func(*cast, user) any {
	return func(c *cast, _ user) any { return obj{"type": typ, "room_id": c.room} }
}

func pointerFrame(c *cast, _ user) any { return obj{"type": "read", "room_id": c.room, "seq": c.last} }

func syncFrame(c *cast, _ user) any {
	return obj{"type": "sync", "rooms": obj{fmt.Sprint(c.room): 0}}
}

func watchFrame(c *cast, _ user) any {
	return obj{"type": "presence", "user_ids": []uint64{c.target.ID}}
}

// cast is a room with somebody in each role; target is one more member, newcomer somebody who isn't in it.
type cast struct {
	kind             string
	room, last       uint64
	by               map[string]user
	target, newcomer user
}

// newCast makes a room of a kind. ended and disabled are refused everywhere, so one of each serves all casts.
func (f *fleet) newCast(t *testing.T, kind string, outside map[string]user) *cast {
	t.Helper()
	c := &cast{kind: kind, by: map[string]user{"anonymous": {}}, target: f.api.User(t), newcomer: f.api.User(t)}
	for role, u := range outside {
		c.by[role] = u
	}
	for _, role := range []string{"stranger", "ex", "member", "admin", "owner"} {
		c.by[role] = f.api.User(t)
	}
	if kind == dm {
		c.room = f.api.Must(t, 201, "POST", "/rooms", c.by["member"].Token, obj{"type": "direct", "member_ids": []uint64{c.target.ID}}).Num("id")
	} else {
		visibility := map[string]string{private: "private", public: "public", anyRoom: "private"}[kind]
		owner := c.by["owner"]
		c.room = f.api.CreateRoomAs(t, owner, obj{"visibility": visibility}, c.by["ex"], c.by["member"], c.by["admin"], c.target).Num("id")
		f.api.Must(t, 200, "PATCH", memberPath(c.room, c.by["admin"]), owner.Token, obj{"role": "admin"})
		f.api.Must(t, 204, "DELETE", memberPath(c.room, c.by["ex"]), owner.Token, nil)
	}
	c.last = f.api.Must(t, 201, "POST", roomPath(c.room, "/messages"), c.target.Token, obj{"content": "for all to read", "client_msg_id": fresh()}).Num("seq")
	return c
}

// outsiders are a token of an ended session and a disabled account.
func (f *fleet) outsiders(t *testing.T) map[string]user {
	t.Helper()
	ended, disabled := f.api.User(t), f.api.User(t)
	f.api.Must(t, 200, "POST", "/auth/logout", ended.Token, nil)
	f.Chatctl(t, "user", "disable", fmt.Sprint(disabled.ID))
	return map[string]user{
		"ended": ended, "disabled": disabled,
		keyed: {Token: f.key(t, "users,tokens,rooms,messages,moderation,read,webhooks")}, unkeyed: {Token: f.key(t, "webhooks")},
		elsewhere: {Token: f.key(t, "users,tokens,rooms,messages,moderation,read")},
	}
}

// key has the operator make a key.
func (f *fleet) key(t testing.TB, scopes string) string {
	t.Helper()
	out := f.Chatctl(t, "key", "create", "--name", "attacks", "--scope", scopes)
	i := strings.Index(out, "sk_")
	if i < 0 {
		t.Fatalf("no key in %q", out)
	}
	key, _, _ := strings.Cut(out[i:], "\n")
	return key
}

// own has the role's user write the message that a row is about, where they can.
func (a *attack) own(row cells, c *cast, u user) {
	a.Helper()
	if row.variant != "own message" || u.Token == "" {
		return
	}
	if status, m := a.api.Do(a, "POST", roomPath(c.room, "/messages"), u.Token, text(c, u)); status == 201 {
		c.last = m.Num("seq")
	}
}

// codes are those that belong to their status.
var codes = map[int]string{401: "unauthenticated", 403: "forbidden", 404: "not_found", 409: "conflict"}

// answered makes a call of the matrix.
func (a *attack) answered(row cells, c *cast, role string) string {
	a.Helper()
	u := c.by[role]
	method, path, _ := strings.Cut(row.call, " ")
	hook := "1"
	if strings.Contains(path, "/server/webhooks") {
		switch role {
		case unkeyed:
			u = c.by[elsewhere]
		case keyed:
			hook = fmt.Sprint(a.api.Must(a, 201, "POST", "/server/webhooks", u.Token, endpoint).Num("id"))
			defer a.api.Do(a, "DELETE", "/server/webhooks/"+hook, u.Token, nil) // there may be few
		}
	}
	session := "none"
	switch row.variant {
	case "own":
		if r := a.ask(a.api, request{method: "GET", path: "/auth/sessions", token: u.Token}); r.Status == 200 {
			session = r.Body.List("sessions")[0].Str("id")
		}
	case "another's":
		session = a.api.Must(a, 200, "GET", "/auth/sessions", c.target.Token, nil).List("sessions")[0].Str("id")
	}
	a.own(row, c, u)
	about := fmt.Sprint(c.target.ID)
	if row.variant == "me" {
		about = "me"
	}
	path = strings.NewReplacer("{room_id}", fmt.Sprint(c.room), "{user_id}", about, "{session_id}", session,
		"{seq}", fmt.Sprint(c.last), "{key}", "%F0%9F%91%8D", "{user}", fmt.Sprint(c.target.ID), "{room}", fmt.Sprint(c.room), "{webhook_id}", hook, "{job}", "9007199254740991").Replace(path)
	if row.variant == "erase" {
		path += "?erase=true"
	}
	if strings.HasSuffix(row.call, "/reactions") {
		path += "?key=x"
	}
	if row.call == "GET /users" {
		path += "?q=u"
	}
	var body any
	if row.send != nil {
		body = row.send(c, u)
	}
	r := a.ask(a.api, request{method: method, path: path, token: u.Token, body: body})
	if r.Status < 400 || r.Body.Str("code") == codes[r.Status] {
		return fmt.Sprint(r.Status)
	}
	return fmt.Sprintf("%d_%s", r.Status, r.Body.Str("code"))
}

// came sends a frame of the matrix and waits for what comes of it.
func (a *attack) came(row cells, c *cast, role string) string {
	a.Helper()
	u := c.by[role]
	var s *sock
	if role == "anonymous" {
		s = testkit.Dial(a, a.WS(1), "", testkit.TokenInFrame())
	} else if s = testkit.Dial(a, a.WS(1), u.Token); !refusedAtOnce(role) {
		s.Welcome(a)
	}
	var device, target *sock
	if row.call == "read" && role != "anonymous" && !refusedAtOnce(role) {
		device = a.dial(2, u)
	}
	if row.call == "typing" {
		target = a.dial(2, c.target)
	}
	a.own(row, c, u)
	frame := row.send(c, u)
	if !refusedAtOnce(role) {
		s.Send(a, frame)
	}
	if row.call == "auth" && role != "anonymous" && !refusedAtOnce(role) {
		_ = s.SendFrame(1, true, []byte(`{"type":"ping"}`)) // the socket may be closed by now
	}
	var got string
	testkit.Eventually(a, patience, func() (bool, string) {
		if got = outcome(row.call, c, u, s, device, target); got == "" && target != nil {
			_ = s.SendFrame(1, true, fmt.Appendf(nil, `{"type":"typing","room_id":%d}`, c.room)) // dropped while a gateway learns of a room
		}
		return got != "", "nothing comes of " + row.call
	})
	return got
}

// outcome is what has come of a frame so far, "" for nothing.
func outcome(typ string, c *cast, u user, s, device, target *sock) string {
	answers := map[string]string{
		"message": "ack", "join_room": "joined", "leave_room": "left", "sync": "synced", "presence": "presence", "ping": "pong", "auth": "pong",
		"edit": "done", "recall": "done", "pin": "done", "react": "done",
	}
	for _, f := range s.Frames() {
		switch {
		case f.Type() == "error":
			return f.Str("code")
		case f.Type() != answers[typ] || f.Type() == "left" && f.Str("reason") != "unsubscribed":
		case typ == "presence":
			return fmt.Sprint("presence_", len(f.List("users")))
		case typ == "auth":
			return "kept"
		default:
			return answers[typ]
		}
	}
	if device != nil && slices.ContainsFunc(device.Frames(), is("read", "room_id", c.room, "user_id", u.ID)) {
		return "read"
	}
	if target != nil && slices.ContainsFunc(target.Frames(), is("typing", "room_id", c.room, "user_id", u.ID)) {
		return "typing"
	}
	if code, _, over := s.Ended(); over {
		return fmt.Sprint(code)
	}
	return ""
}

// tryMatrix tries every cell of a table and returns it in Markdown.
func tryMatrix(t *testing.T, f *fleet, table []cells, outside map[string]user, try func(a *attack, row cells, c *cast, role string) string) string {
	lines := make([]string, len(table))
	var mu sync.Mutex
	t.Run("cells", func(t *testing.T) {
		for i, row := range table {
			t.Run(strings.Join([]string{row.call, row.variant, row.room}, " "), func(t *testing.T) {
				t.Parallel()
				a := &attack{T: t, fleet: f}
				want := row.cellsOf(slices.ContainsFunc(api.Routes(), func(r server.RouteInfo) bool { return r.Open && r.Method+" "+r.Path == row.call }))
				if len(want) != len(roles) {
					t.Fatalf("%d cells, want %d", len(want), len(roles))
				}
				var c *cast
				for j, role := range roles {
					if want[j] == "." {
						continue
					}
					if c == nil {
						c = f.newCast(t, row.room, outside)
					}
					got := try(a, row, c, role)
					if got != want[j] {
						t.Errorf("%s is answered %s, want %s", role, got, want[j])
						want[j] = "**" + got + "** for " + want[j]
					}
					if !strings.HasPrefix(row.call, "GET") && got < "3" { // it may have changed who is who
						c = nil
					}
				}
				a.after()
				mu.Lock()
				defer mu.Unlock()
				call := "`" + row.call + "`"
				if row.variant != "" {
					call += " " + row.variant
				}
				lines[i] = fmt.Sprintf("| %s | %s | %s |", call, row.room, strings.ReplaceAll(strings.Join(want, " | "), "_", " "))
			})
		}
	})
	return "| call | room | " + strings.Join(roles, " | ") + " |\n|---|---|" + strings.Repeat("---|", len(roles)) + "\n" + strings.Join(lines, "\n") + "\n"
}

// testMatrix tries the whole matrix and prints it.
func testMatrix(t *testing.T, f *fleet) {
	t.Helper()
	outside := f.outsiders(t)
	rest := tryMatrix(t, f, routes, outside, (*attack).answered)
	sent := tryMatrix(t, f, frames, outside, (*attack).came)
	if testing.Verbose() {
		fmt.Println("\n### REST\n\n" + rest + "\n### Frames\n\n" + sent)
	}
}

// TestEveryRouteHasItsRow: the matrix covers all registered routes and all frames from the client, about rooms in each kind of room,
// and nothing else.
func TestEveryRouteHasItsRow(t *testing.T) {
	t.Parallel()
	var registered, about []string
	for _, r := range api.Routes() {
		registered = append(registered, r.Method+" "+r.Path)
		if strings.Contains(r.Path, "{room_id}") {
			about = append(about, r.Method+" "+r.Path)
		}
	}
	covers(t, routes, registered, about)
	registered, about = nil, nil
	for _, spec := range protocol.ClientFrames() {
		registered = append(registered, string(spec.Type))
		if slices.ContainsFunc(spec.Fields, func(f protocol.Field) bool { return f.Name == "room_id" || f.Name == "rooms" }) {
			about = append(about, string(spec.Type))
		}
	}
	covers(t, frames, registered, about)
}

func covers(t *testing.T, table []cells, registered, about []string) {
	t.Helper()
	have := map[string][]string{}
	for _, row := range table {
		have[row.call] = append(have[row.call], row.room)
		if !slices.Contains(registered, row.call) {
			t.Errorf("%s has a row in the matrix and isn't registered", row.call)
		}
	}
	for _, call := range registered {
		if len(have[call]) == 0 {
			t.Errorf("%s has no row in the matrix: say what each role is answered", call)
		}
	}
	for _, call := range about {
		for _, kind := range []string{dm, private, public} {
			if !slices.Contains(have[call], kind) {
				t.Errorf("%s has no row for %s rooms", call, kind)
			}
		}
	}
	if len(registered) < 9 {
		t.Errorf("only %d are registered", len(registered))
	}
}
