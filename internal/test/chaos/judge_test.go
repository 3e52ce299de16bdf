//go:build chaos

package chaos

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
	"chat-service/internal/test/testkit/oneorder"
)

// findingList collects what the world's own rules find; safe for all.
type findingList struct {
	mu      sync.Mutex
	list    []history.Violation
	counts  map[string]int
	looks   []*looks
	watched []uint64
}

func (l *findingList) add(rule, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[string]int{}
	}
	if l.counts[rule]++; l.counts[rule] <= 20 {
		l.list = append(l.list, history.Violation{Rule: rule, Text: fmt.Sprintf(format, args...)})
	}
}

// looks is what a reader did and saw, by one goroutine.
type looks struct {
	user  uint64
	reads []readMark
	seen  []unreadLook
}

type readMark struct {
	room, seq uint64
	looks     int // how many looks had been taken before
}

type unreadLook struct {
	room, shown  uint64
	since, until time.Duration
}

func (l *looks) read(room, seq uint64) { l.reads = append(l.reads, readMark{room, seq, len(l.seen)}) }

// look asks for the unread counts.
func (w *world) look(ctx context.Context, u testkit.User, rooms []*room, l *looks) {
	rctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	since := time.Since(w.began)
	r, err := w.api.Call(rctx, http.MethodGet, "/unread", u.Token, nil)
	if err != nil || r.Status != http.StatusOK {
		return
	}
	counts := r.Body.Obj("rooms")
	for _, rm := range rooms {
		l.seen = append(l.seen, unreadLook{rm.id, counts.Num(strconv.FormatUint(rm.id, 10)), since, time.Since(w.began)})
	}
}

// verdict judges everything: the checker's rules, then this suite's own.
func (w *world) verdict() ([]history.Violation, []history.Event, history.Dump) {
	w.t.Helper()
	dump := history.LoadDump(w.t, w.DB.DB)
	dump.Earlier = w.memberships(dump)
	events := visits(w.h.Events())
	j := &judge{w: w, dump: dump, events: events}
	j.index()
	j.refusals()
	j.denials()
	j.prompt()
	j.strangers()
	j.removals()
	j.unreads()
	j.webhooks()
	for _, text := range oneorder.Check(events, time.Minute) {
		w.found.add("O1", "%s", text)
	}
	return append(history.Check(events, dump), w.found.list.list...), events, dump
}

// visits keeps of clients that came and went, and need not end with everything, only that they came and went.
func visits(events []history.Event) (kept []history.Event) {
	for _, e := range events {
		if strings.HasPrefix(e.Client, visitor) {
			if e.Kind != history.Opened && e.Kind != history.Closed {
				continue
			}
			e.Stop = true
		}
		kept = append(kept, e)
	}
	return kept
}

// memberships tells the intervals that are over, by the rooms' own logs.
func (w *world) memberships(d history.Dump) (earlier []history.DumpMember) {
	since := map[removal]uint64{}
	for _, rm := range w.rooms {
		for _, u := range rm.first {
			since[removal{rm.id, u}] = 1
		}
	}
	for _, m := range d.Messages {
		what, who := systemEvent(m)
		for _, u := range who {
			k := removal{m.Room, u}
			switch what {
			case "added", "joined":
				since[k] = m.Seq
			case "left", "removed":
				earlier = append(earlier, history.DumpMember{Room: m.Room, User: u, VisibleFrom: max(since[k], 1), LeftSeq: m.Seq})
			}
		}
	}
	return earlier
}

func systemEvent(m history.DumpMessage) (what string, who []uint64) {
	var e struct {
		Event   string   `json:"event"`
		By      uint64   `json:"by"`
		UserIDs []uint64 `json:"user_ids"`
	}
	if m.Kind != "system" || json.Unmarshal([]byte(m.Content), &e) != nil {
		return "", nil
	}
	if len(e.UserIDs) == 0 {
		e.UserIDs = []uint64{e.By}
	}
	return e.Event, e.UserIDs
}

// judge holds the evidence for the suite's own rules.
type judge struct {
	w      *world
	dump   history.Dump
	events []history.Event
	log    map[uint64][]history.DumpMessage // by room, ascending
	users  map[uint64]bool
}

func (j *judge) index() {
	j.log, j.users = map[uint64][]history.DumpMessage{}, map[uint64]bool{}
	for _, m := range j.dump.Messages {
		j.log[m.Room] = append(j.log[m.Room], m)
	}
	for _, e := range j.events {
		j.users[e.User] = true
	}
}

// refusals: nobody who is a member is refused for good; a conflict needs two contents.
func (j *judge) refusals() {
	for _, e := range j.events {
		if e.Kind != history.Nacked || e.Retry || strings.HasPrefix(e.Client, "exile") {
			continue
		}
		if e.Word == "idempotency_conflict" {
			j.w.found.add("I11", "%s is told that message %s in room %d was used for another one, which it was not", e.Client, e.ID, e.Room)
		} else {
			j.w.found.add("I2", "message %s of %s in room %d was refused for good (%s) without a reason", e.ID, e.Client, e.Room, e.Word)
		}
	}
}

// prompt: while only workers fail, nobody is told to try again what stands in the database.
func (j *judge) prompt() {
	if !j.w.o.Prompt {
		return
	}
	j.unanswered()
	stored := map[string]uint64{}
	for _, m := range j.dump.Messages {
		stored[m.ClientMsgID] = m.Seq
	}
	for _, e := range j.events {
		if seq := stored[e.ID]; e.Kind == history.Nacked && e.Retry && seq > 0 && strings.HasPrefix(e.Client, "piper") {
			j.w.found.add("F3", "message %s of %s in room %d stands at seq %d and was answered with %q: nobody routed it after its worker had died", e.ID, e.Client, e.Room, seq, e.Word)
		}
	}
}

// unanswered: what a gateway took is answered long before it gives up: a command may come late, by another node, but isn't lost.
func (j *judge) unanswered() {
	if j.w.site == nil {
		return
	}
	sent := map[string]time.Duration{}
	for _, e := range j.events {
		switch at, ok := sent[e.ID]; {
		case !strings.HasPrefix(e.Client, "piper"):
		case e.Kind == history.Sent:
			sent[e.ID] = e.At
		case e.Kind == history.Nacked && ok && e.At-at > longest:
			j.w.found.add("N2", "message %s of %s in room %d was answered with %q after %v: its gateway had taken it, and nobody got it", e.ID, e.Client, e.Room, e.Word, e.At-at)
		}
	}
}

// longest is how long an answer may take on a site where only nodes of RabbitMQ are lost: its gateways wait for 40 s.
const longest = 30 * time.Second

// strangers: nobody's message stands in a room where he was no member.
func (j *judge) strangers() {
	in := map[removal][]history.DumpMember{}
	for _, m := range slices.Concat(j.dump.Members, j.dump.Earlier) {
		in[removal{m.Room, m.User}] = append(in[removal{m.Room, m.User}], m)
	}
	for _, m := range j.dump.Messages {
		if m.Kind == "system" || !j.users[m.Sender] {
			continue
		}
		if !slices.ContainsFunc(in[removal{m.Room, m.Sender}], func(x history.DumpMember) bool {
			return x.VisibleFrom <= m.Seq && (x.LeftSeq == 0 || m.Seq < x.LeftSeq)
		}) {
			j.w.found.add("I7", "user %d was no member of room %d when his message %s was taken as seq %d", m.Sender, m.Room, m.ClientMsgID, m.Seq)
		}
	}
}

// removals: a confirmed end of a membership stands in the log.
func (j *judge) removals() {
	n := map[removal]int64{}
	for _, m := range j.dump.Messages {
		if what, who := systemEvent(m); what == "left" || what == "removed" {
			for _, u := range who {
				n[removal{m.Room, u}]++
			}
		}
	}
	j.w.removed.Range(func(k, v any) bool {
		if want := *v.(*int64); n[k.(removal)] < want {
			j.w.found.add("I12", "user %d was removed from room %d %d times, which was confirmed; the log tells of %d", k.(removal).user, k.(removal).room, want, n[k.(removal)])
		}
		return true
	})
}

// unreads is I8 while everything moves: what is shown lies between what was acknowledged before the request and what had been
// sent by the reply.
func (j *judge) unreads() {
	type key struct {
		room, user uint64
		id         string
	}
	sent, acked, recalls := map[key]time.Duration{}, map[uint64][]history.Event{}, map[uint64][]history.Event{}
	for _, e := range j.events {
		k := key{e.Room, e.User, e.ID}
		switch e.Kind {
		case history.Sent:
			if _, again := sent[k]; !again {
				sent[k] = e.At
			}
		case history.Acked:
			acked[e.Room] = append(acked[e.Room], e)
		case history.Asked:
			if e.Word == "recall" {
				recalls[e.Room] = append(recalls[e.Room], e)
			}
		}
	}
	for _, l := range j.w.found.list.looks {
		pointer, next := map[uint64]uint64{}, 0
		for i, s := range l.seen {
			for ; next < len(l.reads) && l.reads[next].looks <= i; next++ {
				pointer[l.reads[next].room] = max(pointer[l.reads[next].room], l.reads[next].seq)
			}
			read, floor, ceiling := uint64(0), uint64(0), uint64(0)
			top := uint64(0)
			for _, a := range acked[s.room] {
				if a.At <= s.since {
					top = max(top, a.Seq)
				}
			}
			for _, m := range j.log[s.room] {
				if m.Seq == pointer[s.room] {
					read = m.Ord
				}
				if m.Seq <= top {
					floor = m.Ord
				}
				if at, ok := sent[key{s.room, m.Sender, m.ClientMsgID}]; m.Kind != "system" && (!ok || at <= s.until) {
					ceiling++
				}
			}
			gone := map[uint64]bool{} // may be recalled by then
			for _, e := range recalls[s.room] {
				if e.At <= s.until {
					gone[e.Seq] = true
				}
			}
			floor -= min(floor, uint64(len(gone)))
			if s.shown+read < floor || s.shown+read > ceiling {
				j.w.found.add("I8", "user %d was shown %d unread in room %d at %v; he had read up to %d, so it must be %d to %d", l.user, s.shown, s.room, s.until, pointer[s.room], floor-min(floor, read), ceiling-min(ceiling, read))
			}
		}
	}
}

// finals records what is shown at rest, for the checker.
func (w *world) finals() {
	ctx := w.t.Context()
	for i, p := range w.people {
		if i%7 != 0 && !strings.HasPrefix(p.name, "reader") {
			continue
		}
		r, err := w.api.Call(ctx, http.MethodGet, "/unread", p.Token, nil)
		if err != nil || r.Status != http.StatusOK {
			w.found.add("I8", "%s can't read his unread counts at rest: %d %v", p.name, r.Status, err)
			continue
		}
		for _, rm := range p.rooms {
			w.h.Add(history.Event{Kind: history.Unread, Client: p.name, User: p.ID, Room: rm.id, Seq: r.Body.Obj("rooms").Num(strconv.FormatUint(rm.id, 10)), Final: true})
		}
	}
}

// present waits until presence is right: everybody who is connected is shown online, to somebody who may see him.
func (w *world) present(within time.Duration) (d time.Duration, ok bool, why string) {
	began := time.Now()
	for {
		ok, why = w.presenceRight()
		if ok || time.Since(began) > within {
			return time.Since(began), ok, why
		}
		pause(w.t.Context(), 100*time.Millisecond)
	}
}

func (w *world) presenceRight() (bool, string) {
	for _, rm := range w.rooms {
		asker := rm.owner
		byID := map[uint64]*person{}
		for _, p := range rm.speakers {
			byID[p.ID] = p
		}
		ids := slices.Collect(maps.Keys(byID))
		for len(ids) > 0 {
			n := min(len(ids), 100)
			r, err := w.api.Call(w.t.Context(), http.MethodPost, "/presence", asker.Token, obj{"user_ids": ids[:n]})
			if err != nil || r.Status != http.StatusOK {
				return false, fmt.Sprintf("presence: %d %s %v", r.Status, r.Raw, err)
			}
			ids = ids[n:]
			for _, u := range r.Body.List("users") {
				if p := byID[u.Num("user_id")]; p != nil && p.c.Connected() && u["online"] != true {
					return false, fmt.Sprintf("%s is connected and shown as %v", p.name, u["online"])
				}
			}
		}
	}
	return true, ""
}

// queuesEmpty looks at the broker and at the tables that stand for queues.
func (w *world) queuesEmpty() (bool, string) {
	var outbox, dead int
	row := w.DB.DB.QueryRowContext(w.t.Context(), "SELECT (SELECT COUNT(*) FROM outbox), (SELECT COUNT(*) FROM dead_commands)")
	if err := row.Scan(&outbox, &dead); err != nil || outbox+dead > 0 {
		return false, fmt.Sprintf("%d rows in outbox, %d in dead_commands, %v", outbox, dead, err)
	}
	conn, err := amqp.DialConfig(testkit.AMQPURL(w.t), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return false, err.Error()
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return false, err.Error()
	}
	names := []string{w.Prefix + ".dead"}
	for p := range partitions {
		names = append(names, fmt.Sprintf("%s.in.%d", w.Prefix, p))
	}
	for _, name := range names {
		q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
		if err != nil {
			return false, fmt.Sprintf("%s: %v", name, err)
		}
		if q.Messages > 0 {
			return false, fmt.Sprintf("%s holds %d messages", name, q.Messages)
		}
	}
	return true, ""
}

var (
	roomIn = regexp.MustCompile(`room (\d+)`)
	userIn = regexp.MustCompile(`user (\d+)`)
	idIn   = regexp.MustCompile(`message (\S+) `)
	seqIn  = regexp.MustCompile(`(?:seq|as|at|up to|after|shows) (\d+)`)
	nameIn = regexp.MustCompile(`^(\S+?)[: ]`)
)

func first(r *regexp.Regexp, s string) string {
	if m := r.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

// slice is the shortest telling part of the history about a violation: what concerns the message, or the client and room at
// that place, and the faults around it.
func slice(v history.Violation, events []history.Event) (lines []string) {
	room, user, id, name := first(roomIn, v.Text), first(userIn, v.Text), first(idIn, v.Text), first(nameIn, v.Text)
	seqs := map[string]bool{}
	for _, m := range seqIn.FindAllStringSubmatch(v.Text, -1) {
		seqs[m[1]] = true
	}
	from, to := time.Duration(-1), time.Duration(0)
	var chosen []history.Event
	for _, e := range events {
		same := room == "" || strconv.FormatUint(e.Room, 10) == room || e.Room == 0
		mine := e.Client == name || user != "" && strconv.FormatUint(e.User, 10) == user
		hit := id != "" && e.ID == id && e.Kind != history.Received && e.Kind != history.Shown ||
			id == "" && mine && (seqs[strconv.FormatUint(e.Seq, 10)] || e.Room == 0) ||
			id == "" && e.Kind == history.Acked && seqs[strconv.FormatUint(e.Seq, 10)]
		if same && hit {
			chosen = append(chosen, e)
			if e.Room != 0 || room == "" {
				if from < 0 {
					from = e.At
				}
				to = e.At
			}
		}
	}
	for _, e := range events {
		if e.Kind == history.Fault && e.At > from-10*time.Second && e.At < to+5*time.Second {
			chosen = append(chosen, e)
		}
	}
	slices.SortStableFunc(chosen, func(a, b history.Event) int { return int(a.At - b.At) })
	if len(chosen) > 40 {
		chosen = append(chosen[:20:20], chosen[len(chosen)-20:]...)
	}
	for _, e := range chosen {
		lines = append(lines, show(e))
	}
	return lines
}

func show(e history.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%9.3fs %-8s %s", e.At.Seconds(), e.Kind, e.Client)
	add := func(ok bool, format string, v any) {
		if ok {
			fmt.Fprintf(&b, format, v)
		}
	}
	add(e.Conn > 0, "#%d", e.Conn)
	add(e.Room > 0, " room %d", e.Room)
	add(e.Seq > 0, " seq %d", e.Seq)
	add(e.From > 0, " from %d", e.From)
	add(e.ID != "", " %s", e.ID)
	add(e.About > 0, " about %d", e.About)
	add(e.Code > 0, " code %d", e.Code)
	add(e.Word != "", " %q", e.Word)
	add(e.Duplicate, " duplicate=%v", e.Duplicate)
	add(e.Kind == history.Nacked, " retry=%v", e.Retry)
	add(e.Kind == history.Watched, " online=%v", e.Online)
	return b.String()
}

// keep writes the histories and logs to a folder and returns its name.
func (w *world) keep(events []history.Event, dump history.Dump, name string) string {
	dir := filepath.Join(w.dir, fmt.Sprintf("failed-%s-seed%d-%s", name, w.o.Seed, time.Now().Format("150405")))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err.Error()
	}
	write := func(name string, each func(*json.Encoder) error) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return
		}
		defer f.Close()
		z := gzip.NewWriter(f)
		b := bufio.NewWriter(z)
		_ = each(json.NewEncoder(b))
		_ = b.Flush()
		_ = z.Close()
	}
	write("history.jsonl.gz", func(e *json.Encoder) error {
		for _, x := range events {
			if err := e.Encode(x); err != nil {
				return err
			}
		}
		return nil
	})
	write("database.json.gz", func(e *json.Encoder) error { return e.Encode(dump) })
	for _, p := range w.Names() {
		_ = os.WriteFile(filepath.Join(dir, p+".log"), []byte(w.Log(p, 1<<30)), 0o600)
	}
	return dir
}
