package backend

import (
	"slices"
	"time"

	"chat-service/internal/api/rooms"
	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// Options are what Verbs are made from, besides their ports.
type Options struct {
	Now func() time.Time
	// Live believes in sessions for a moment: it forgets those that end.
	Live *server.LiveCache
	// Rooms does in a user's name what the user could do.
	Rooms *rooms.Verbs
	// NewSession makes a session to open on a device, and its first refresh token.
	NewSession func(c *server.Call, u chat.User, device string) (n chat.NewSession, refresh string)
}

// Verbs answer the routes: each verb is a method that answers one.
type Verbs struct {
	opts  Options
	ports Ports
}

// New makes the verbs.
func New(opts Options, ports Ports) *Verbs { return &Verbs{opts, ports} }

// Routes are the package's rows of the route table.
func (v *Verbs) Routes() []server.Route {
	return server.Tagged("server", slices.Concat(v.userRoutes(), v.roomRoutes(), v.webhookRoutes(), v.jobRoutes()))
}
