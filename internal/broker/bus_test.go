package broker

import (
	"context"
	"errors"
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
		equal(t, "targets", []Target{r.o.Control(), r.o.In(1), r.o.In(0), r.o.In(1)}, targets)
		time.Sleep(time.Millisecond)
		_ = c.PublishBatched(0, []byte("f"), nil)
		synctest.Wait()
		equal(t, "messages before the delay", 4, len(s.bodies()))
		time.Sleep(togetherDelay)
		synctest.Wait()
		equal(t, "messages after it", 5, len(s.bodies()))
	})
}
