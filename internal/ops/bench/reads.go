package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/ops/bench/latency"
)

const (
	clients    = 8       // of S7 and S9
	pageSize   = 50      // of S7
	deepBelow  = 100_000 // S7's deep page ends so far below the last one
	listRooms  = 200     // of S9
	unreadEach = 3       // messages that S9's users have not read, per room
)

// question is one GET of a closed loop, and where its answer's time goes.
type question struct {
	path string
	hist *latency.Hist
}

// ask lets the clients ask in turn, each its questions one after the other, and measures for the plan's duration.
func (b *bench) ask(ctx context.Context, tokens []string, questions []question) (Row, error) {
	stop, halt := context.WithCancel(ctx)
	var g sync.WaitGroup
	defer g.Wait()
	defer halt()
	var counting atomic.Bool
	var failed atomic.Pointer[error]
	for i, token := range tokens {
		g.Go(func() {
			r := newREST(b.api.base, 1)
			defer r.close()
			for k := i; stop.Err() == nil; k++ {
				q := questions[k%len(questions)]
				begin := time.Now()
				if err := fetch(stop, r, q.path, token); err != nil {
					if stop.Err() == nil {
						failed.CompareAndSwap(nil, &err)
					}
					return
				}
				if counting.Load() {
					q.hist.Add(time.Since(begin))
				}
			}
		})
	}
	beat := newPacemaker(stop, &g)
	if !sleep(ctx, b.plan.Warmup) {
		return Row{}, ctx.Err()
	}
	counting.Store(true)
	beat.counting.Store(true)
	sp, err := b.over(ctx, b.plan.Duration)
	counting.Store(false)
	halt()
	g.Wait()
	if f := failed.Load(); f != nil {
		err = errors.Join(*f, err)
	}
	if err != nil {
		return Row{}, err
	}
	end, err := b.sys.take()
	if err != nil {
		return Row{}, err
	}
	row := newRow(sp, end)
	late := beat.late.Quantile(.99)
	row.Values["harness_late_p99_ms"] = ms(late)
	row.Saturated = saturation(sp, late, 0, 0)
	var n int64
	for _, q := range questions {
		n += q.hist.Count()
	}
	row.Values["requests_per_s"] = float64(n) / sp.Took.Seconds()
	row.Values["cpu_us_per_request"] = us(sp.Total()) / float64(max(n, 1))
	return row, nil
}

// fetch reads an answer and throws it away.
func fetch(ctx context.Context, r *rest, path, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := r.hc.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return fmt.Errorf("GET %s: %s %s", path, res.Status, answer)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// history is S7: the newest page and a deep one, over a large table.
func (b *bench) history(ctx context.Context) (Row, error) {
	h, err := b.loadHistory(ctx)
	if err != nil {
		return Row{}, err
	}
	tokens, err := b.accounts.logins(ctx, historyPool, upTo(clients))
	if err != nil {
		return Row{}, err
	}
	end := max(h.Big-deepBelow, h.Big/2) // a scaled-down room is not that deep
	last := fmt.Sprintf("/rooms/%d/messages?limit=%d", h.Room, pageSize)
	deep := fmt.Sprintf("/rooms/%d/messages?before_seq=%d&limit=%d", h.Room, end+1, pageSize)
	for path, want := range map[string]int{last: h.Big, deep: end} {
		if err := b.checkPage(ctx, path, tokens[0], uint64(want)); err != nil {
			return Row{}, err
		}
	}
	var shallowLat, deepLat latency.Hist
	row, err := b.ask(ctx, tokens, []question{{last, &shallowLat}, {deep, &deepLat}})
	if err != nil {
		return row, err
	}
	row.Values["messages"] = float64(h.Messages)
	row.Values["pages_per_s"] = row.Values["requests_per_s"]
	row.Values["shallow_p50_ms"], row.Values["shallow_p99_ms"] = ms(shallowLat.Quantile(.5)), ms(shallowLat.Quantile(.99))
	row.Values["deep_p50_ms"], row.Values["deep_p99_ms"] = ms(deepLat.Quantile(.5)), ms(deepLat.Quantile(.99))
	row.Values["page_p99_ms"] = max(row.Values["shallow_p99_ms"], row.Values["deep_p99_ms"])
	row.Values["deep_over_shallow"] = float64(deepLat.Mean()) / float64(max(shallowLat.Mean(), 1))
	return row, nil
}

// checkPage makes sure that a page is whole and ends with the seq.
func (b *bench) checkPage(ctx context.Context, path, token string, last uint64) error {
	var page struct {
		Messages []stored `json:"messages"`
	}
	if err := b.api.call(ctx, "GET", path, token, nil, &page); err != nil {
		return err
	}
	if len(page.Messages) != pageSize {
		return fmt.Errorf("GET %s: %d messages, not %d", path, len(page.Messages), pageSize)
	}
	for i, m := range page.Messages {
		if want := last - uint64(pageSize-1-i); m.Seq != want {
			return fmt.Errorf("GET %s: message %d is seq %d, not %d", path, i, m.Seq, want)
		}
	}
	return nil
}

// roomList is S9: the first thing that an app shows.
func (b *bench) roomList(ctx context.Context) (Row, error) {
	l := layout{name: "list", pool: "list", users: clients + 2, rooms: listRooms, members: clients + 2}
	rooms, err := b.accounts.rooms(ctx, l)
	if err != nil {
		return Row{}, err
	}
	tokens, err := b.accounts.logins(ctx, l.pool, upTo(l.users))
	if err != nil {
		return Row{}, err
	}
	// The owner writes, so that the clients have not read.
	path := fmt.Sprintf("/rooms?limit=%d", listRooms)
	unread, err := b.unreadRooms(ctx, path, tokens[1])
	if err != nil {
		return Row{}, err
	}
	if unread < listRooms {
		for _, id := range rooms {
			for range unreadEach {
				if err := b.api.call(ctx, "POST", fmt.Sprintf("/rooms/%d/messages", id), tokens[0], map[string]string{"content": text(b.plan.Payload)}, nil); err != nil {
					return Row{}, err
				}
			}
		}
		if unread, err = b.unreadRooms(ctx, path, tokens[1]); err != nil {
			return Row{}, err
		}
	}
	if unread != listRooms {
		return Row{}, fmt.Errorf("GET %s: %d rooms with unread messages, not %d", path, unread, listRooms)
	}
	var lat latency.Hist
	row, err := b.ask(ctx, tokens[1:1+clients], []question{{path, &lat}})
	if err != nil {
		return row, err
	}
	row.Values["lists_per_s"] = row.Values["requests_per_s"]
	row.Values["list_p50_ms"], row.Values["list_p99_ms"] = ms(lat.Quantile(.5)), ms(lat.Quantile(.99))
	return row, nil
}

// unreadRooms counts the rooms of the list that have unread messages.
func (b *bench) unreadRooms(ctx context.Context, path, token string) (n int, err error) {
	var list struct {
		Rooms []json.RawMessage `json:"rooms"`
	}
	if err := b.api.call(ctx, "GET", path, token, nil, &list); err != nil {
		return 0, err
	}
	for _, raw := range list.Rooms {
		var room struct {
			Unread int `json:"unread"`
		}
		if err := json.Unmarshal(raw, &room); err != nil {
			return 0, fmt.Errorf("read room: %w", err)
		}
		if room.Unread > 0 {
			n++
		}
	}
	return n, nil
}
