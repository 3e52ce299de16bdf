package line

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
	"chat-service/internal/worker/deliver"
)

const (
	profileEvery = time.Second // how often a user's new profile is shown at most: it goes to everybody in their rooms
	profileRooms = 1000        // of a user, by latest activity; more don't hear of it
)

// profiles are users whose nickname or picture changed: when that is to be shown, and when it was last.
type profiles struct {
	due   map[chat.UserID]newProfile
	shown map[chat.UserID]time.Time // within profileEvery
}

type newProfile struct {
	user chat.User
	at   time.Time
}

// announceProfile has a user's new profile shown: the first time at once, then once a second, as it is then. Should this process die in
// between, the user is shown anew to whoever reads them.
func (c *Committer) announceProfile(_ context.Context, a *envelope.Announcement, _ *deliver.Parcels) {
	p, now := &c.profiles, c.l.o.Now()
	if p.due == nil {
		p.due, p.shown = map[chat.UserID]newProfile{}, map[chat.UserID]time.Time{}
	}
	u := *a.Profile
	at := p.shown[u.ID].Add(profileEvery)
	if at.Before(now) {
		at = now
	}
	if waits, ok := p.due[u.ID]; ok {
		at = waits.at
	}
	p.due[u.ID] = newProfile{u, at}
}

// showProfiles shows the profiles that are due, and returns when the next one is; zero: none is.
func (c *Committer) showProfiles(ctx context.Context, now time.Time, out *deliver.Parcels) (next time.Time) {
	p := &c.profiles
	for id, due := range p.due {
		if due.at.After(now) {
			next = earlier(next, due.at)
			continue
		}
		delete(p.due, id)
		p.shown[id] = now
		c.showProfile(ctx, due.user, out)
	}
	for u, at := range p.shown {
		if now.Sub(at) >= profileEvery {
			delete(p.shown, u)
		}
	}
	return next
}

// showProfile sends a user as they are now to every gateway, which knows who of its sockets is in one of their rooms.
func (c *Committer) showProfile(ctx context.Context, u chat.User, out *deliver.Parcels) {
	ctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
	defer cancel()
	rooms, err := c.l.o.People.MembershipsOf(ctx, []chat.UserID{u.ID}, profileRooms)
	if err != nil {
		c.l.o.Logger.WarnContext(ctx, "show a profile", "user", u.ID, "err", err)
		return
	}
	d := envelope.Delivery{Kind: envelope.Profile, User: u.ID, Frame: protocol.AppendUser(nil, u)}
	for _, m := range rooms[u.ID] {
		d.Points = append(d.Points, envelope.Point{Room: m.Room.ID})
	}
	out.ToAll(&d)
}
