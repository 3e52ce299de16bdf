package deliver

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// bus notes what it is given, and answers as a test says.
type bus struct {
	full    int // calls that it doesn't take
	to      []chat.GatewayID
	records []int
	done    []func(error)
}

func (b *bus) ToAll(batch []byte, done func(error)) error { return b.ToGateway("", batch, done) }

func (b *bus) ToGateway(g chat.GatewayID, batch []byte, done func(error)) error {
	if b.full > 0 {
		b.full--
		return errors.New("full")
	}
	rs, err := envelope.Records(batch)
	b.to, b.records, b.done = append(b.to, g), append(b.records, len(rs)), append(b.done, done)
	return err
}

type gone struct {
	gateway chat.GatewayID
	upTo    uint64
}

func newPublisher(b *bus) (p *Publisher, lost *[]gone) {
	lost = &[]gone{}
	return New(b, func(g chat.GatewayID, upTo uint64) { *lost = append(*lost, gone{g, upTo}) }, NewMetrics(prometheus.NewRegistry())), lost
}

func frame(seq chat.Seq) *envelope.Delivery {
	return &envelope.Delivery{Kind: envelope.InRoom, Room: 1, Seq: seq}
}

func TestParcelsKeepTheOrder(t *testing.T) {
	b := &bus{}
	p, _ := newPublisher(b)
	ps := NewParcels()
	ps.ToGateway("a", frame(1))
	ps.ToGateway("b", frame(1))
	ps.ToGateway("a", frame(2))
	ps.ToAll(frame(3))
	ps.ToAll(frame(4))
	ps.ToGateway("a", frame(5))
	p.Publish(t.Context(), ps)
	if want := []chat.GatewayID{"a", "b", "", "a"}; !slices.Equal(b.to, want) || !slices.Equal(b.records, []int{2, 1, 2, 1}) {
		t.Errorf("published to %q with %v records, want %q", b.to, b.records, want)
	}
}

// TestWholeAnswersAreNotDivided adds answers that are larger than a batch, and what isn't one.
func TestWholeAnswersAreNotDivided(t *testing.T) {
	b := &bus{}
	p, _ := newPublisher(b)
	ps := NewParcels()
	answer := func(g chat.GatewayID, n int) {
		for i := range n {
			ps.ToGateway(g, frame(chat.Seq(i+1)))
		}
	}
	answer("a", 10)
	ps.Whole()
	answer("a", 3*parcelRecords)
	ps.Whole()
	answer("a", 5)
	ps.Whole()
	answer("b", parcelRecords+1)
	p.Publish(t.Context(), ps)
	if want := []int{10 + 3*parcelRecords, 5, parcelRecords + 1}; !slices.Equal(b.to, []chat.GatewayID{"a", "a", "b"}) || !slices.Equal(b.records, want) {
		t.Errorf("published to %q with %v records, want %v", b.to, b.records, want)
	}
}

func TestTicketsWaitForEveryConfirm(t *testing.T) {
	b := &bus{full: 5} // it is offered again until the broker takes it
	p, lost := newPublisher(b)
	p.NoteAttach("b", 7)
	acked, before := 0, 0
	ticket := NewTicket(func() { acked++ })
	ps := NewParcels()
	ps.ToGateway("a", frame(1))
	ps.ToGateway("b", frame(1))
	ps.Answers(ticket)
	ps.Then(func() { before = acked + 1 })
	p.Publish(t.Context(), ps)
	p.NoteAttach("b", 8) // of the queue that takes the place of the lost one
	b.done[0](nil)
	if acked != 0 {
		t.Error("acknowledged before everything was confirmed")
	}
	b.done[1](chat.E(chat.NotFound, "queue"))
	if acked != 1 || before != 1 {
		t.Errorf("acknowledged %d times, %d before", acked, before)
	}
	if want := []gone{{"b", 7}}; !slices.Equal(*lost, want) {
		t.Errorf("gone %v, want %v", *lost, want)
	}
}

func TestRefusedBatchesAreOfferedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{}
		p, _ := newPublisher(b)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.Run(ctx)
		acked := 0
		ps := NewParcels()
		ps.ToGateway("a", frame(1))
		ps.ToGateway("b", frame(1))
		ps.Answers(NewTicket(func() { acked++ }))
		p.Publish(ctx, ps)
		first := b.done
		b.full = 3
		for _, done := range first {
			done(chat.E(chat.Unavailable, "refused repeatedly"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if want := []chat.GatewayID{"a", "b", "a", "b"}; !slices.Equal(b.to, want) || acked != 0 {
			t.Fatalf("published to %q, want %q; acknowledged %d times", b.to, want, acked)
		}
		b.done[2](nil)
		b.done[3](nil)
		if acked != 1 {
			t.Errorf("acknowledged %d times, want once", acked)
		}
	})
}

func TestAbandonedBatchesAreNotAcknowledged(t *testing.T) {
	b := &bus{full: 1 << 30}
	p, _ := newPublisher(b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ps := NewParcels()
	ps.ToAll(frame(1))
	ps.Answers(NewTicket(func() { t.Error("acknowledged, and nothing was published") }))
	p.Publish(ctx, ps)

	b.full = 0
	ps = NewParcels()
	ps.ToAll(frame(1))
	ps.Answers(NewTicket(func() { t.Error("acknowledged, and the bus was closed") }))
	p.Publish(t.Context(), ps)
	b.done[0](context.Canceled)
}

func TestRoutedDeliveries(t *testing.T) {
	b := &bus{}
	p, _ := newPublisher(b)
	p.Dead(map[chat.GatewayID]bool{"dead": true})
	ps := NewParcels()
	d := frame(1)
	d.Gateway, d.Socket, d.Ack, d.Ref = "origin", 7, []byte("ack"), "m"
	p.ToGateways(map[chat.GatewayID]uint64{"dead": 1, "other": 1}, d, ps)
	ps.close()
	got := map[chat.GatewayID]envelope.Delivery{}
	for _, x := range ps.closed {
		y, err := envelope.DecodeDelivery(x.records[0])
		if err != nil {
			t.Fatal(err)
		}
		got[x.to] = y
	}
	if len(got) != 2 || string(got["origin"].Ack) != "ack" || got["origin"].Ref != "m" || got["origin"].Socket != 7 {
		t.Errorf("the origin gets %+v of %d", got["origin"], len(got))
	}
	if o := got["other"]; len(o.Ack) > 0 || o.Ref != "" || o.Gateway != "" || o.Socket != 0 {
		t.Errorf("the other gateway gets %+v, want no ack", o)
	}
}
