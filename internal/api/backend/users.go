package backend

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"chat-service/internal/api/names"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// PersonBody is what the application says of a user of its own: what is left out stays as it is.
type PersonBody struct {
	Nickname  *string `json:"nickname,omitempty" minLength:"1" maxLength:"64" text:"line" doc:"of a new user: the own id if left out" example:"Ann"`
	AvatarURL *string `json:"avatar_url,omitempty" maxBytes:"512" rule:"an http or https address without a user; empty: remove it" example:"https://example.com/ann.png"`
}

// PeopleBody names many users, each as in PUT.
type PeopleBody struct {
	Users []NamedPersonBody `json:"users" required:"true" minItems:"1" maxItems:"100" rule:"each user once"`
}

// NamedPersonBody is a PersonBody with the id of its user, as an entry of a list.
type NamedPersonBody struct {
	ID        string  `json:"id" required:"true" minLength:"1" maxBytes:"140" doc:"ext:<own id> or ext64:<base64url of an own id>; a number: somebody who is there already" example:"ext:ann"`
	Nickname  *string `json:"nickname,omitempty" minLength:"1" maxLength:"64" text:"line" example:"Ann"`
	AvatarURL *string `json:"avatar_url,omitempty" maxBytes:"512"`
}

// PersonView is a user as the application sees them.
type PersonView struct {
	ID        chat.UserID `json:"id"`
	Username  string      `json:"username"`
	Nickname  string      `json:"nickname"`
	AvatarURL string      `json:"avatar_url,omitempty"`
	Email     string      `json:"email,omitempty"`
	Disabled  bool        `json:"disabled"`
	CreatedAt string      `json:"created_at"`
}

// PeopleReply shows users in the order in which they were named.
type PeopleReply struct {
	Users []PersonView `json:"users"`
}

// SessionBody opens a session for a user whom the application has authenticated.
type SessionBody struct {
	TTLSeconds *int64 `json:"ttl_seconds,omitempty" minimum:"1" maximum:"86400" doc:"how long the session lasts, and its access token with it; it has no refresh token then. Left out: a session as by login" example:"3600"`
	Device     string `json:"device,omitempty" maxLength:"128" text:"line" doc:"name of the device in the user's list of sessions" example:"phone"`
}

// SessionReply is a session's access token, and a refresh token unless the session ends with it.
type SessionReply struct {
	AccessToken  string     `json:"access_token"`
	TokenType    string     `json:"token_type" doc:"Bearer"`
	ExpiresIn    int        `json:"expires_in" doc:"seconds"`
	RefreshToken string     `json:"refresh_token,omitempty" doc:"works once"`
	User         PersonView `json:"user"`
}

// personView shows a user to the application.
func personView(u chat.User) PersonView {
	return PersonView{
		ID: u.ID, Username: u.Username, Nickname: u.Nickname, AvatarURL: u.AvatarURL, Email: u.Email,
		Disabled: u.Status == chat.Disabled, CreatedAt: chat.FormatTime(u.CreatedAt),
	}
}

// person finds whom a Ref names: chat.NotFound if there is nobody.
func (v *Verbs) person(c *server.Call, r chat.Ref) (chat.User, error) {
	if r.ID != 0 {
		return v.ports.Accounts.User(c.Ctx, chat.UserID(r.ID))
	}
	return v.ports.Identities.Identity(c.Ctx, chat.External(r.Own))
}

// named finds whom the path names, who is the call's target then.
func (v *Verbs) named(c *server.Call) (chat.User, error) {
	u, err := v.person(c, c.UserRef)
	c.Target = u.ID
	return u, err
}

// patch checks what the application says of a user; field prefixes the names of fields.
func (b PersonBody) patch(field string, k *server.Checks) chat.UserPatch {
	p := chat.UserPatch{Nickname: server.Trimmed(b.Nickname), AvatarURL: server.Trimmed(b.AvatarURL)}
	if p.AvatarURL != nil {
		k.Require(names.WebURL(*p.AvatarURL), field+"avatar_url", "must be an http or https address without a user")
	}
	return p
}

// put makes an own user of the application, or changes one. Of calls at the same moment one makes the user, and the others change them.
func (v *Verbs) put(c *server.Call, r chat.Ref, p chat.UserPatch) (u chat.User, made bool, err error) {
	if r.ID == 0 {
		who := chat.External(r.Own)
		u, made, err = v.ports.Identities.Provide(c.Ctx, who, chat.User{
			Nickname: cmp.Or(server.OrElse(p.Nickname, ""), names.Nickname(r.Own), who.Username()), AvatarURL: server.OrElse(p.AvatarURL, ""),
			Status: chat.Active, CreatedAt: v.opts.Now(),
		})
		if err != nil {
			return u, false, err
		}
		if made {
			v.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActRegistered, User: u.ID, Detail: "by a key"})
			return u, true, nil
		}
		r.ID = uint64(u.ID)
	}
	u, err = v.ports.Accounts.UpdateUser(c.Ctx, chat.UserID(r.ID), p)
	return u, false, err
}

// putPerson makes or changes one user.
func (v *Verbs) putPerson(c *server.Call, b PersonBody) error {
	var k server.Checks
	p := b.patch("", &k)
	if err := k.Err(); err != nil {
		return err
	}
	u, made, err := v.put(c, c.UserRef, p)
	if err != nil {
		return err
	}
	c.Target = u.ID
	if made {
		return c.Created("/server/users/"+u.ID.String(), personView(u))
	}
	return c.OK(personView(u))
}

// putPeople makes or changes many. All of them are checked before one is made; where one fails then, those before it stay, and the
// same call goes on.
func (v *Verbs) putPeople(c *server.Call, b PeopleBody) error {
	var k server.Checks
	refs, patches, seen := make([]chat.Ref, len(b.Users)), make([]chat.UserPatch, len(b.Users)), map[chat.Ref]bool{}
	for i, x := range b.Users {
		field := fmt.Sprintf("users[%d].", i)
		ref, err := chat.ParseRef(field+"id", x.ID)
		k.Add(err)
		k.Require(err != nil || !seen[ref], field+"id", "is there twice")
		refs[i], seen[ref] = ref, true
		patches[i] = PersonBody{x.Nickname, x.AvatarURL}.patch(field, &k)
	}
	if err := k.Err(); err != nil {
		return err
	}
	views := make([]PersonView, len(refs))
	for i, r := range refs {
		u, _, err := v.put(c, r, patches[i])
		if err != nil {
			return err
		}
		views[i] = personView(u)
	}
	return c.OK(PeopleReply{views})
}

// showPerson shows one user, a disabled one too.
func (v *Verbs) showPerson(c *server.Call) error {
	u, err := v.named(c)
	if err != nil {
		return err
	}
	return c.OK(personView(u))
}

// roomsOf lists a user's rooms, as they see them.
func (v *Verbs) roomsOf(c *server.Call) error {
	u, err := v.named(c)
	if err != nil {
		return err
	}
	return v.opts.Rooms.RoomsOf(c, u.ID)
}

// openFor opens a session for a user. One with a time of its own has no refresh token: it would end with it all the same.
func (v *Verbs) openFor(c *server.Call, b SessionBody) error {
	u, err := v.named(c)
	if err != nil {
		return err
	}
	u.PasswordHash = "" // the session doesn't depend on it
	n, refresh := v.opts.NewSession(c, u, b.Device)
	ttl := time.Duration(server.OrElse(b.TTLSeconds, 0)) * time.Second
	if ttl > 0 {
		n.Until, refresh = n.Session.CreatedAt.Add(ttl), ""
		n.Session.ExpiresAt = n.Until
	}
	if err := v.ports.Sessions.OpenSession(c.Ctx, n); err != nil {
		return err
	}
	v.ports.Audit.Record(c.Ctx, chat.Act{Kind: chat.ActLogin, User: u.ID, Session: n.Session.ID, Detail: n.Session.Device})
	access, lifetime, err := v.ports.Tokens.IssueFor(u.ID, n.Session.ID, ttl)
	if err != nil {
		return err
	}
	return c.Reply(http.StatusOK, SessionReply{access, "Bearer", int(lifetime.Seconds()), refresh, personView(u)})
}

// endAll ends all of a user's sessions.
func (v *Verbs) endAll(c *server.Call) error {
	u, err := v.named(c)
	if err == nil {
		err = v.ports.Sessions.RevokeSessions(c.Ctx, u.ID, "")
		v.opts.Live.ForgetUser(u.ID)
	}
	return c.Done(err)
}

// disable shuts an account, or opens it again.
func (v *Verbs) disable(on bool) server.Handler {
	return func(c *server.Call) error {
		u, err := v.named(c)
		switch {
		case err != nil:
			return err
		case on:
			err = v.ports.Wardens.DisableUser(c.Ctx, u.ID)
			v.opts.Live.ForgetUser(u.ID)
		default:
			err = v.ports.Wardens.EnableUser(c.Ctx, u.ID)
		}
		if err != nil {
			return err
		}
		if on {
			return c.OK(server.DoneReply{OK: true})
		}
		return c.Gone(nil)
	}
}
