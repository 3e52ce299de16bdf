package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"chat-service/internal/ops/bench/usage"
)

// The gentle pace at which S5's connections send their one message each.
const (
	burstSize  = 50
	burstPause = 50 * time.Millisecond
)

// roomsPerUser and roomMembers are S5's rooms.
const (
	roomsPerUser = 5
	roomMembers  = 10
)

// idle is S5: the cost of a connection that does nothing. The gateways must be freshly started: memory that they used before
// and freed only to their own heap would hide the growth.
func (b *bench) idle(ctx context.Context) (Row, error) {
	n := b.plan.Conns
	l := layout{name: fmt.Sprintf("idle%d", n), pool: "idle", users: n, rooms: n * roomsPerUser / roomMembers, members: roomMembers, stride: roomMembers}
	rooms, err := b.accounts.rooms(ctx, l)
	if err != nil {
		return Row{}, err
	}
	tokens, err := b.accounts.logins(ctx, l.pool, upTo(n))
	if err != nil {
		return Row{}, err
	}
	if b.sys.Restart != nil {
		b.say("restarting the processes, so that their memory is that of a fresh start")
		if err := b.sys.Restart(ctx); err != nil {
			return Row{}, fmt.Errorf("restart: %w", err)
		}
	}
	rest, err := b.over(ctx, b.plan.IdleCPU/4)
	if err != nil {
		return Row{}, err
	}
	before, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	c := newCrowd(strconv.FormatUint(rand.Uint64N(1<<35), idBase), b.plan.Payload)
	d := newDialer(b.sys.Gateways, smallBuffer)
	took, err := c.dial(ctx, d, tokens, b.plan.Dialers)
	if err != nil {
		return Row{}, err
	}
	defer c.close()
	for i, m := range c.members {
		c.lanes = append(c.lanes, &lane{room: rooms[i/roomMembers%len(rooms)], index: i, by: m})
	}
	c.listen()
	opened := time.Now()
	for i, ln := range c.lanes {
		c.send(ln, c.now())
		if i%burstSize == burstSize-1 && !sleep(ctx, burstPause) {
			return Row{}, ctx.Err()
		}
	}
	c.drain(ctx, b.patience)
	b.say("%d connections are open, settling", n)
	if !sleep(ctx, time.Until(opened.Add(b.plan.Settle))) {
		return Row{}, ctx.Err()
	}
	row, err := b.stillness(ctx, before, n)
	if err != nil {
		return row, err
	}
	row.Values["base_cpu_us_per_s"] = us(rest.Total()) / rest.Took.Seconds()
	row.Values["connect_p99_ms"] = ms(took.Quantile(.99))
	c.close()
	tally, err := c.audit(ctx, b.api, tokens)
	row.Audit = &tally
	if why := c.complaint(); why != "" {
		row.Notes = append(row.Notes, why)
	}
	return row, err
}

// stillness measures the growth of memory since before, then CPU while no message is sent.
func (b *bench) stillness(ctx context.Context, before usage.Snapshot, n int) (Row, error) {
	settled, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	sp, err := b.over(ctx, b.plan.IdleCPU)
	if err != nil {
		return Row{}, err
	}
	row := newRow(sp, settled)
	kib := func(prefix string) float64 {
		return float64(settled.RSS(prefix)-before.RSS(prefix)) / 1024 / float64(n)
	}
	row.Values["gateway_kib_per_connection"] = kib("gw")
	row.Values["system_kib_per_connection"] = kib("")
	row.Values["idle_us_per_connection_s"] = us(sp.Total()) / sp.Took.Seconds() / float64(n)
	row.Values["gateway_idle_us_per_connection_s"] = us(sp.Named("gw")) / sp.Took.Seconds() / float64(n)
	return row, nil
}

// over measures what is used while the tool does nothing.
func (b *bench) over(ctx context.Context, d time.Duration) (usage.Span, error) {
	before, err := b.sys.take()
	if err != nil {
		return usage.Span{}, err
	}
	if !sleep(ctx, d) {
		return usage.Span{}, ctx.Err()
	}
	after, err := b.sys.take()
	if err != nil {
		return usage.Span{}, err
	}
	return after.Since(before)
}

// storm is S6: all clients connect at once.
func (b *bench) storm(ctx context.Context) (Row, error) {
	n := b.plan.Conns
	if _, err := b.accounts.users(ctx, "storm", n); err != nil {
		return Row{}, err
	}
	tokens, err := b.accounts.logins(ctx, "storm", upTo(n))
	if err != nil {
		return Row{}, err
	}
	c := newCrowd("storm", b.plan.Payload)
	d := newDialer(b.sys.Gateways, smallBuffer)
	before, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	begin := time.Now()
	took, err := c.dial(ctx, d, tokens, b.plan.Dialers)
	open := time.Since(begin)
	if err != nil {
		return Row{}, err
	}
	defer c.close()
	after, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	sp, err := after.Since(before)
	if err != nil {
		return Row{}, err
	}
	c.listen()
	row := newRow(sp, after)
	row.Values["open_s"] = open.Seconds()
	row.Values["open_s_per_10000"] = open.Seconds() * 10_000 / float64(n)
	row.Values["cpu_s_per_1000"] = sp.Total().Seconds() * 1000 / float64(n)
	row.Values["connect_p50_ms"], row.Values["connect_p99_ms"] = ms(took.Quantile(.5)), ms(took.Quantile(.99))
	row.Saturated = saturation(sp, 0, 0, 0)
	if !sleep(ctx, time.Second) {
		return row, ctx.Err()
	}
	row.Audit = &Tally{Closed: c.lost.Load()}
	if why := c.complaint(); why != "" {
		row.Notes = append(row.Notes, why)
	}
	return row, nil
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
