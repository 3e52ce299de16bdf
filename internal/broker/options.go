package broker

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/broker/nodes"
)

// Queue types for the inbound queues.
const (
	// Quorum replicates the inbound queues; it is the default and right for clusters.
	Quorum = "quorum"
	// Classic keeps the inbound queues on one node.
	Classic = "classic"
)

// Options configure every connection of a process; the zero value of a field means its default.
type Options struct {
	// URL is the AMQP URI, amqp:// or amqps://. Reserved characters in the password are percent-encoded.
	URL string
	// URLs, when given, take the place of URL: the nodes of one cluster. The connections of a process begin at different ones, and
	// go on to the next when one fails.
	URLs []string
	// Nodes is what the connections of a process know of these nodes together; default: each knows what it found itself.
	Nodes *nodes.Known
	// TLS is used for amqps:// URLs; default: the system's roots.
	TLS *tls.Config
	// Prefix begins the name of every exchange and queue; default "chat".
	Prefix string
	// QueueType is Quorum (default) or Classic.
	QueueType string
	// Partitions is the number of inbound queues, 1 to 1,024; default 16. It is fixed for an installation.
	Partitions int
	// Looks has exchanges and queues of other processes looked for, and made only if they are missing: a gateway's user may not
	// configure them.
	Looks bool
	// Name shows up in the broker's list of connections, for instance "gateway g1".
	Name string

	// Patience is how long the broker may be unreachable or blocked before publishing fails at once; default 500 ms.
	Patience time.Duration
	// BatchDelay is the longest time that a record waits for others to share its message, unless its batcher sets another;
	// default 2 ms.
	BatchDelay time.Duration
	// WindowBytes bounds what is accepted and not yet confirmed; default 32 MiB.
	WindowBytes int
	// WindowRecords bounds the same by count; default 65,536.
	WindowRecords int
	// MaxBody bounds one record and one published body; default 4 MiB.
	MaxBody int
	// Unconfirmed bounds the AMQP messages sent and not yet confirmed; default 256.
	Unconfirmed int

	// Heartbeat is the AMQP heartbeat, at least 1 s; default 8 s. One in the URL takes precedence.
	Heartbeat time.Duration
	// DialTimeout bounds connecting and, once more, the handshake; default 5 s.
	DialTimeout time.Duration
	// WriteTimeout bounds each write to the socket; default 5 s.
	WriteTimeout time.Duration
	// BackoffMin and BackoffMax bound the jittered pause before the next dial; default 50 ms and 2 s.
	BackoffMin, BackoffMax time.Duration

	// StandbyDelay is how long a standby consumer waits so that the owner's consumer is first; default 700 ms.
	StandbyDelay time.Duration

	// Logger receives connection events; default: discard.
	Logger *slog.Logger
	// Metrics receives the counts; default: a set that is not registered.
	Metrics *Metrics

	// Of a connection to one node of several: how long dialling and the set-up may take.
	dialling, setup time.Duration
}

// BatchOptions bound the batches of one target; the zero value of a field means its default.
type BatchOptions struct {
	// Records closes a batch; default 64.
	Records int
	// Bytes closes a batch, before a record that would not fit; default 32 KiB. A larger record goes alone.
	Bytes int
	// Delay is the shortest time between flushes of unfilled batches; after a longer pause a record is sent at once. Default: a
	// batch is flushed as soon as nothing is unconfirmed, else every Options.BatchDelay.
	Delay time.Duration
	// Pending bounds the records accepted and not yet done for this target, so that one queue that gives
	// confirms nothing can't take the whole window; default half of Options.WindowRecords.
	Pending int
}

// WithDefaults returns the options with every unset field filled in.
func (o Options) WithDefaults() Options {
	o.Prefix = cmp.Or(o.Prefix, "chat")
	o.QueueType = cmp.Or(o.QueueType, Quorum)
	o.Partitions = cmp.Or(o.Partitions, 16)
	o.Name = cmp.Or(o.Name, o.Prefix)
	o.Patience = cmp.Or(o.Patience, 500*time.Millisecond)
	o.BatchDelay = cmp.Or(o.BatchDelay, 2*time.Millisecond)
	o.WindowBytes = cmp.Or(o.WindowBytes, 32<<20)
	o.WindowRecords = cmp.Or(o.WindowRecords, 1<<16)
	o.MaxBody = cmp.Or(o.MaxBody, min(4<<20, o.WindowBytes))
	o.Unconfirmed = cmp.Or(o.Unconfirmed, 256)
	o.Heartbeat = cmp.Or(o.Heartbeat, 8*time.Second)
	o.DialTimeout = cmp.Or(o.DialTimeout, 5*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 5*time.Second)
	o.BackoffMin = cmp.Or(o.BackoffMin, 50*time.Millisecond)
	o.BackoffMax = cmp.Or(o.BackoffMax, max(2*time.Second, o.BackoffMin))
	o.StandbyDelay = cmp.Or(o.StandbyDelay, 700*time.Millisecond)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	o.Nodes, o.Metrics = cmp.Or(o.Nodes, nodes.New()), cmp.Or(o.Metrics, NewMetrics(nil))
	return o
}

// Validate reports every invalid field together, and never the URL's password.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, url := range o.urls() {
		// The parser's own error would repeat the URL, and with it the password.
		_, err := amqp.ParseURI(url)
		check(err == nil, "url: not an AMQP URI (percent-encode reserved characters in user name and password)")
	}
	check(len(o.Prefix) <= 64 && strings.Trim(o.Prefix, nameBytes) == "",
		"prefix: %q is not 1 to 64 letters, digits, '-', '_' or '.'", o.Prefix)
	check(o.QueueType == Quorum || o.QueueType == Classic, "queue type: %q is neither quorum nor classic", o.QueueType)
	check(o.Partitions >= 1 && o.Partitions <= 1024, "partitions: %d is not between 1 and 1024", o.Partitions)
	check(o.WindowBytes > 0 && o.WindowRecords > 0, "window: %d bytes and %d records are not both positive", o.WindowBytes, o.WindowRecords)
	check(o.MaxBody > 0 && o.MaxBody <= o.WindowBytes, "max body: %d is not between 1 and the window's %d bytes", o.MaxBody, o.WindowBytes)
	check(o.Unconfirmed >= 1 && o.Unconfirmed <= 1<<15, "unconfirmed: %d is not between 1 and 32768", o.Unconfirmed)
	check(o.Patience > 0 && o.BatchDelay > 0 && o.DialTimeout > 0 && o.WriteTimeout > 0, "timeouts: a negative one")
	check(o.Heartbeat >= time.Second, "heartbeat: %v is below 1s", o.Heartbeat)
	check(o.BackoffMin > 0 && o.BackoffMax >= o.BackoffMin, "backoff: %v to %v is no range", o.BackoffMin, o.BackoffMax)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("broker options: %w", err)
	}
	return nil
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// ready validates the options and fills in the defaults.
func (o Options) ready() (Options, error) {
	if err := o.Validate(); err != nil {
		return o, err
	}
	return o.WithDefaults(), nil
}

// Target is where a message is sent and how safely. It is comparable.
type Target struct {
	// Exchange and Key route the message; the empty exchange routes to the queue named by Key.
	Exchange, Key string
	// Mandatory makes a message that no queue takes fail with ErrUnroutable; else it is dropped silently.
	Mandatory bool
	// Persistent messages survive a restart of the broker.
	Persistent bool
	// TTL drops the message when it has waited that long in a queue, in whole milliseconds; 0 means never.
	TTL time.Duration
}

func (o Options) name(s string) string { return cmp.Or(o.Prefix, "chat") + "." + s }

// In is the inbound queue of partition p: mandatory and persistent.
func (o Options) In(p int) Target {
	return Target{Exchange: o.name("in"), Key: strconv.Itoa(p), Mandatory: true, Persistent: true}
}

// Gateway is one gateway boot's queue: mandatory, so that a gateway that has ended is noticed, and transient.
func (o Options) Gateway(queue string) Target { return Target{Key: queue, Mandatory: true} }

// Out reaches every gateway: transient, and no error when there is none.
func (o Options) Out() Target { return Target{Exchange: o.name("out")} }

// Beats leads to the queue of heartbeats through the gateways' exchange, so that they need no right to publish to every queue: mandatory,
// because workers of release 0.1.0 don't have it.
func (o Options) Beats() Target {
	return Target{Exchange: o.name("in"), Key: beatsKey, Mandatory: true}
}

// beatsKey is no partition's number.
const beatsKey = "control"

// beatsQueue is the queue of heartbeats, each consumed by any one worker: transient, dropped after 2 s.
func (o Options) beatsQueue() string { return o.name("beats") }

// Control is the queue to which gateways of release 0.1.0 send heartbeats, and which its workers consume.
func (o Options) Control() Target { return Target{Key: o.name("control")} }

// GatewayQueue names the queue of one boot of a gateway.
func (o Options) GatewayQueue(gateway, boot string) string {
	return o.gatewayQueues() + gateway + "." + boot
}

// gatewayQueues begins the name of every gateway's queue; the rest is its chat.GatewayID.
func (o Options) gatewayQueues() string { return o.name("gw.") }

// InQueue is the name of partition p's queue.
func (o Options) InQueue(p int) string { return o.name("in." + strconv.Itoa(p)) }
