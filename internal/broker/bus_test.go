package broker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

func TestDeliveriesTranslateErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Prefix: "x"})
		var s *fakeSink
		s = newFakeSink(func(e *entry) (bool, bool) {
			if string(e.body) != "confirmed" {
				s.back <- amqp.Return{MessageId: e.id}
			}
			return string(e.body) != "kept", string(e.body) != "kept"
		})
		r.connect(s)
		d := NewDeliveries(r.Publisher)
		got := map[string]error{}
		done := func(what string) func(error) { return func(err error) { got[what] = err } }
		if err := errors.Join(
			d.ToGateway("g.b", []byte("confirmed"), done("confirmed")),
			d.ToGateway("g.b", []byte("returned"), done("to a gateway without a queue")),
			d.ToAll([]byte("returned by all"), done("to all of none")),
			d.ToGateway("g.b", []byte("kept"), done("closed before")),
		); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = r.Close(ctx)
		equal(t, "calls of done", 4, len(got))
		if err := errors.Join(got["confirmed"], got["to all of none"]); err != nil {
			t.Error(err)
		}
		if err := got["to a gateway without a queue"]; chat.KindOf(err) != chat.NotFound {
			t.Errorf("to a gateway without a queue: %v", err)
		}
		for what, err := range map[string]error{
			"closed before": got["closed before"], "to a gateway": d.ToGateway("g.b", nil, nil), "to all": d.ToAll(nil, nil),
		} {
			if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

func TestCommandsKeepPartitionsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Prefix: "x", Partitions: 2})
		c := NewCommands(r.Publisher)
		var targets []Target
		s := newFakeSink(func(e *entry) (bool, bool) { targets = append(targets, e.target); return true, true })
		if err := errors.Join(
			c.Publish(1, []byte("a"), nil), c.Publish(0, []byte("b"), nil), c.Publish(1, []byte("c"), nil),
			c.PublishBatched(1, []byte("d"), nil), c.PublishBatched(1, []byte("e"), nil), c.Beat([]byte("beat")),
		); err != nil {
			t.Fatal(err)
		}
		r.connect(s)
		frame := func(records ...string) string {
			var rs [][]byte
			for _, r := range records {
				rs = append(rs, []byte(r))
			}
			return string(envelope.Frame(nil, rs))
		}
		equal(t, "wire", []string{frame("beat"), frame("a", "c"), frame("b"), frame("d", "e")}, s.bodies())
		equal(t, "targets", []Target{r.o.Beats(), r.o.In(1), r.o.In(0), r.o.In(1)}, targets)
		time.Sleep(time.Millisecond)
		_ = c.PublishBatched(0, []byte("f"), nil)
		synctest.Wait()
		equal(t, "messages before the delay", 4, len(s.bodies()))
		time.Sleep(togetherDelay)
		synctest.Wait()
		equal(t, "messages after it", 5, len(s.bodies()))
	})
}

// TestBeatsTakeAnotherWay: where no worker has bound the control queue, heartbeats go to it directly, on a channel of their own. If that
// is refused, messages don't suffer; it is said once, when the gateway's lease has ended by it.
func TestBeatsTakeAnotherWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRig(t, Options{Prefix: "x", Partitions: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		c := NewCommands(r.Publisher)
		bound := true
		var s *fakeSink
		s = newFakeSink(func(e *entry) (bool, bool) {
			if e.target == r.o.Beats() && !bound {
				s.back <- amqp.Return{MessageId: e.id}
			}
			return true, true
		})
		var refusal error
		var direct []Target
		s.aside = func(t Target, body []byte) error {
			if string(body) == string(envelope.Frame(nil, [][]byte{[]byte("beat")})) {
				direct = append(direct, t)
			}
			return refusal
		}
		r.connect(s)
		beat := func(times int) {
			t.Helper()
			for range times {
				if err := c.Beat([]byte("beat")); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
		}
		beat(2)
		equal(t, "while it is bound", []Target(nil), direct)
		bound = false
		beat(2)
		equal(t, "while it isn't", []Target{r.o.Control(), r.o.Control()}, direct)
		refusal = &amqp.Error{Code: amqp.AccessRefused, Reason: "write access to exchange 'amq.default' refused"}
		beat(2)
		equal(t, "log after two that were lost", "", log.String())
		beat(5)
		if n := strings.Count(log.String(), "heartbeats reach no worker"); n != 1 || !strings.Contains(log.String(), "chatctl grants") {
			t.Errorf("after seven that were lost: %s", log.String())
		}
		if err := c.Ready(); err != nil {
			t.Errorf("the publisher suffers: %v", err)
		}
		bound = true
		beat(1)
		bound = false
		beat(3)
		equal(t, "warnings about two outages", 2, strings.Count(log.String(), "heartbeats reach no worker"))
	})
}
