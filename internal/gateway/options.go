package gateway

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// Options configure a Gateway. ID, Partitions, Bus and Verifier must be set. For the rest, zero means the default
// that the field's comment names, or "off" if it says so.
type Options struct {
	// ID names this boot: "<gateway>.<boot>".
	ID chat.GatewayID
	// Partitions is the installation's P.
	Partitions int
	// Addr is the "host:port" to listen on; port 0 lets the system choose.
	Addr string

	Bus      Bus
	Verifier Verifier
	Log      *slog.Logger // default: discard
	Metrics  *Metrics     // default: metrics that aren't registered anywhere
	// Now is the clock; default time.Now.
	Now func() time.Time

	// Frames limit the frames that clients send; 0: off, but for FrameBytes, where it means MaxFrame.
	Frames protocol.Limits
	// Origins may open sockets from a browser, besides the gateway's own host; "*" is any.
	Origins []string
	// MaxSockets bounds the open sockets; 0: off.
	MaxSockets int
	// SocketsPerSecond bounds the rate of new sockets that have shown a valid token, with a burst of one second's worth; 0: off.
	SocketsPerSecond int
	// MessagesPerSecond and MessageBurst bound the rate of one socket's frames; 0: off.
	MessagesPerSecond float64
	MessageBurst      int
	// Bounds limit what single users and addresses hold and do here; 0: off.
	Bounds chat.Limits
	// TrustedProxies may name the client's address in X-Forwarded-For.
	TrustedProxies chat.Proxies
	// PingInterval is the time between pings. A socket that is silent for two of them is closed. Default 25 s.
	PingInterval time.Duration
	// AuthTimeout bounds the wait for the auth frame of a socket that brought no token; default 5 s.
	AuthTimeout time.Duration
	// ConnectTimeout bounds the wait for a worker's welcome; default 10 s.
	ConnectTimeout time.Duration
	// AnswerTimeout bounds the wait for the answer to a message; default 10 s.
	AnswerTimeout time.Duration
	// MessageTimeout bounds the time from a message's first fragment to its last; default 30 s.
	MessageTimeout time.Duration
	// FileRoom is how many sockets the process's limit of open files has room for; 0: no limit.
	FileRoom int
	// QueueBytes bounds what waits to be written to one socket; default 256 KiB.
	QueueBytes int
	// SocketWindow bounds one socket's unanswered messages; default 256.
	SocketWindow int
	// WindowCommands and WindowBytes bound the commands in flight, of all sockets; default 16,384 and 64 MiB.
	WindowCommands int
	WindowBytes    int
	// HeldEntries and HeldBytes bound what a room holds behind a gap; default 1,024 and 1 MiB.
	HeldEntries int
	HeldBytes   int
	// Drain is the time over which Stop spreads the closing of the sockets; default 10 s.
	Drain time.Duration
	// BusPatience is how long the bus may be unavailable before sockets are refused and closed; default 20 s.
	BusPatience time.Duration
}

// MaxFrame is the largest frame, in bytes, that FrameBytes may allow: what one record of the bus carries, less
// headers and escapes.
const MaxFrame = envelope.MaxRecord - 64<<10

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (o Options) ready() Options {
	or(&o.Log, slog.New(slog.DiscardHandler))
	if o.Metrics == nil {
		o.Metrics = NewMetrics(prometheus.NewRegistry())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	or(&o.Frames.FrameBytes, MaxFrame)
	or(&o.PingInterval, 25*time.Second)
	or(&o.AuthTimeout, 5*time.Second)
	or(&o.ConnectTimeout, 10*time.Second)
	or(&o.AnswerTimeout, 10*time.Second)
	or(&o.MessageTimeout, 30*time.Second)
	or(&o.QueueBytes, 256<<10)
	or(&o.SocketWindow, 256)
	or(&o.WindowCommands, 16<<10)
	or(&o.WindowBytes, 64<<20)
	or(&o.HeldEntries, 1024)
	or(&o.HeldBytes, 1<<20)
	or(&o.Drain, 10*time.Second)
	or(&o.BusPatience, 20*time.Second)
	return o
}
