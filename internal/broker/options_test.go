package broker

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValidate(t *testing.T) {
	good := Options{URL: "amqp://u:p%3F%23%2F%40@localhost:5672/v"}
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   string // in the error; "" for none
	}{
		{"defaults", func(*Options) {}, ""},
		{"url", func(o *Options) { o.URL = "http://u:secret@host" }, "url"},
		{"unparsable url", func(o *Options) { o.URL = "amqp://u:secret%zz@host" }, "url"},
		{"prefix", func(o *Options) { o.Prefix = "a b" }, "prefix"},
		{"queue type", func(o *Options) { o.QueueType = "mirrored" }, "queue type"},
		{"partitions", func(o *Options) { o.Partitions = -1 }, "partitions"},
		{"window", func(o *Options) { o.WindowBytes = -1 }, "window"},
		{"body above the window", func(o *Options) { o.WindowBytes, o.MaxBody = 10, 11 }, "max body"},
		{"small window", func(o *Options) { o.WindowBytes = 10 }, ""},
		{"heartbeat", func(o *Options) { o.Heartbeat = time.Millisecond }, "heartbeat"},
		{"backoff", func(o *Options) { o.BackoffMin, o.BackoffMax = 2, 1 }, "backoff"},
		{"patience", func(o *Options) { o.Patience = -1 }, "timeouts"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.change(&o)
			err := o.Validate()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	o := Options{Prefix: "x"}
	equal(t, "in", Target{Exchange: "x.in", Key: "3", Mandatory: true, Persistent: true}, o.In(3))
	equal(t, "gateway", Target{Key: "x.gw.g1.b2", Mandatory: true}, o.Gateway(o.GatewayQueue("g1", "b2")))
	equal(t, "out", Target{Exchange: "x.out"}, o.Out())
	equal(t, "control", Target{Key: "x.control"}, o.Control())
	equal(t, "beats", Target{Exchange: "x.in", Key: "control", Mandatory: true}, o.Beats())
	equal(t, "default prefix", Target{Exchange: "chat.out"}, Options{}.Out())
}

func TestBackoff(t *testing.T) {
	b := backoff{min: 50 * time.Millisecond, max: 2 * time.Second}
	for round := range 2 {
		for i, ms := range []int{50, 100, 200, 400, 800, 1600, 2000, 2000} {
			top := time.Duration(ms) * time.Millisecond
			if d := b.pause(); d < top/2 || d > top {
				t.Errorf("round %d, pause %d: %v is not within %v and %v", round, i, d, top/2, top)
			}
		}
		b.reset()
	}
}
