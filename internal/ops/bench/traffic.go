package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"chat-service/internal/ops/bench/latency"
	"chat-service/internal/ops/bench/usage"
)

const (
	answerWithin = 12 * time.Second // a gateway answers within 10 s, at worst with an error
	settleAfter  = 500 * time.Millisecond
)

// load is one workload of messages.
type load struct {
	layout
	online int     // members per room that are connected
	window int     // closed loop: messages that a room's sender keeps in flight
	rate   float64 // open loop: messages per second over all rooms; 0 = closed loop
	even   bool    // open loop: the rooms' messages are due one after the other, else all rooms' at once
	// beside starts what else goes on until ctx ends; nil: nothing.
	beside func(ctx context.Context, g *sync.WaitGroup)
}

// traffic runs one workload and measures it.
func (b *bench) traffic(ctx context.Context, l load) (Row, error) {
	rooms, err := b.accounts.rooms(ctx, l.layout)
	if err != nil {
		return Row{}, err
	}
	users, place := l.present()
	tokens, err := b.accounts.logins(ctx, l.pool, users)
	if err != nil {
		return Row{}, err
	}
	c := newCrowd(strconv.FormatUint(rand.Uint64N(1<<35), idBase), b.plan.Payload)
	c.closed = l.rate == 0
	d := newDialer(b.sys.Gateways, busyBuffer)
	if _, err := c.dial(ctx, d, tokens, b.plan.Dialers); err != nil {
		return Row{}, err
	}
	defer c.close()
	for r, id := range rooms {
		c.lanes = append(c.lanes, &lane{room: id, index: r, by: c.members[place[l.member(r, 0)]]})
	}
	if err := c.knows(rooms); err != nil {
		return Row{}, err
	}
	c.listen()
	if !sleep(ctx, settleAfter) {
		return Row{}, ctx.Err()
	}
	row, err := b.drive(ctx, c, l)
	if err != nil {
		return row, err
	}
	c.drain(ctx, b.patience)
	c.close()
	tally, err := c.audit(ctx, b.api, tokens)
	row.Audit = &tally
	if why := c.complaint(); why != "" {
		row.Notes = append(row.Notes, why)
	}
	return row, err
}

// knows checks that every sender's welcome lists its rooms: continuity is checked from the seqs in it.
func (c *crowd) knows(rooms []uint64) error {
	for r, id := range rooms {
		if c.lanes[r].by.tracks[id] == nil {
			return fmt.Errorf("room %d is not in its sender's welcome: the audit needs it there", id)
		}
	}
	return nil
}

// present lists the users who connect, once each, and the index of each in the list.
func (l load) present() (users []int, place map[int]int) {
	place = map[int]int{}
	for r := range l.rooms {
		for m := range l.online {
			u := l.member(r, m)
			if _, ok := place[u]; !ok {
				place[u] = len(users)
				users = append(users, u)
			}
		}
	}
	return users, place
}

// drive sends for warmup and duration and measures the latter.
func (b *bench) drive(ctx context.Context, c *crowd, l load) (Row, error) {
	var senders sync.WaitGroup
	stop, halt := context.WithCancel(ctx)
	defer senders.Wait()
	defer halt()
	if c.closed {
		for _, ln := range c.lanes {
			for range l.window {
				c.send(ln, c.now())
			}
		}
	} else {
		c.pace(stop, &senders, l)
	}
	if l.beside != nil {
		l.beside(stop, &senders)
	}
	beat := newPacemaker(stop, &senders)
	if !sleep(ctx, b.plan.Warmup) {
		return Row{}, ctx.Err()
	}
	before, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	beat.counting.Store(true)
	c.counting.Store(true)
	t0 := time.Now()
	ok := sleep(ctx, b.plan.Duration)
	c.counting.Store(false)
	beat.counting.Store(false)
	took := time.Since(t0)
	after, err := b.sys.take()
	c.stopped.Store(true)
	halt()
	senders.Wait()
	if err != nil || !ok {
		return Row{}, firstOf(err, ctx.Err())
	}
	sp, err := after.Since(before)
	if err != nil {
		return Row{}, err
	}
	row := newRow(sp, after)
	c.measure(&row, sp, took)
	asked := l.rate * took.Seconds()
	if !l.even {
		asked -= float64(l.rooms) // one burst may fall outside the measured time
	}
	row.judge(sp, beat, c, asked)
	return row, nil
}

// pace starts one goroutine per room that sends when a message is due. A late one is sent at once and keeps its due time, so
// that a stall shows in the latency of every message that it delayed.
func (c *crowd) pace(ctx context.Context, g *sync.WaitGroup, l load) {
	every := time.Duration(float64(len(c.lanes)) / l.rate * float64(time.Second))
	begin := c.now() + int64(10*time.Millisecond)
	for i, ln := range c.lanes {
		due := begin
		if l.even {
			due += int64(every) * int64(i) / int64(len(c.lanes))
		}
		g.Go(func() {
			for ; ; due += int64(every) {
				if !sleep(ctx, time.Duration(due-c.now())) {
					return
				}
				c.send(ln, due)
			}
		})
	}
}

// measure fills in the row's values from the crowd's counts over the time took.
func (c *crowd) measure(row *Row, sp usage.Span, took time.Duration) {
	s := took.Seconds()
	acked, delivered := float64(c.ackedIn.Load()), float64(c.deliveredIn.Load())
	row.Values["offered_per_s"] = float64(c.sentIn.Load()) / s
	row.Values["acked_per_s"], row.Values["delivered_per_s"] = acked/s, delivered/s
	for _, h := range []struct {
		name string
		hist *latency.Hist
	}{{"ack", &c.ackLat}, {"deliver", &c.dlvLat}, {"harness_send_lag", &c.sendLag}} {
		for _, q := range []struct {
			name string
			at   float64
		}{{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}} {
			row.Values[h.name+"_"+q.name+"_ms"] = ms(h.hist.Quantile(q.at))
		}
	}
	if acked > 0 {
		row.Values["cpu_us_per_message"] = us(sp.Total()) / acked
	}
	if delivered > 0 {
		row.Values["cpu_us_per_delivery"] = us(sp.Total()) / delivered
		row.Values["gateway_us_per_delivery"] = us(sp.Named("gw")) / delivered
	}
}

// sleep waits for d; false means that ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
