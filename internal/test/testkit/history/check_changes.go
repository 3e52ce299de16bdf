package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Reactions writes who reacted with what, by key, in the one form in which the checker compares them. Of more than ten users only
// the number is told.
func Reactions(by map[string][]uint64) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(by)) {
		users := slices.Sorted(slices.Values(by[key]))
		if len(users) == 0 {
			continue
		}
		if len(users) > 10 {
			users = nil
		}
		parts = append(parts, fmt.Sprintf("%s %d %v", key, len(by[key]), users))
	}
	return strings.Join(parts, "; ")
}

// ReactionsOf is Reactions of one key as an answer tells it: how many, and the first ten users.
func ReactionsOf(key string, count uint64, users []uint64) string {
	if count > 10 {
		return fmt.Sprintf("%s %d []", key, count)
	}
	return fmt.Sprintf("%s %d %v", key, count, slices.Sorted(slices.Values(users)))
}

// state is a message's state, by the database or by what a client was told.
type state struct {
	change, version  uint64
	content          string
	recalled, pinned bool
	reactions        string
}

// life holds the evidence about changes, indexed.
type life struct {
	asked   map[key][]Event           // by change_id
	kept    map[key]DumpAsked         // by change_id
	numbers map[place][]DumpAsked     // by room and change_seq
	logged  map[uint64][]DumpChange   // by room, ascending
	states  map[place]DumpState       // by room and seq
	final   map[place]state           // by room and seq
	texts   map[place]map[string]bool // what a message may ever have said, where it was edited
	recalls map[place]bool
}

// indexChanges sorts the evidence about changes, and must come before everything that compares contents.
func (c *checker) indexChanges() {
	l := &life{
		asked: map[key][]Event{}, kept: map[key]DumpAsked{}, numbers: map[place][]DumpAsked{}, logged: map[uint64][]DumpChange{},
		states: map[place]DumpState{}, final: map[place]state{}, texts: map[place]map[string]bool{}, recalls: map[place]bool{},
	}
	c.life = l
	for _, e := range c.events {
		if e.Kind != Asked {
			continue
		}
		l.asked[key{e.Room, e.User, e.ID}] = append(l.asked[key{e.Room, e.User, e.ID}], e)
		if p := (place{e.Room, e.Seq}); e.Word == "edit" {
			if l.texts[p] == nil {
				l.texts[p] = map[string]bool{}
			}
			l.texts[p][e.Content] = true
		}
	}
	for _, a := range c.dump.Asked {
		l.kept[key{a.Room, a.User, a.ID}] = a
		l.numbers[place{a.Room, a.Change}] = append(l.numbers[place{a.Room, a.Change}], a)
	}
	for _, x := range c.dump.Logged {
		l.logged[x.Room] = append(l.logged[x.Room], x)
	}
	reactions := map[place]map[string][]uint64{}
	for _, r := range c.dump.Reactions {
		p := place{r.Room, r.Seq}
		if reactions[p] == nil {
			reactions[p] = map[string][]uint64{}
		}
		reactions[p][r.Key] = append(reactions[p][r.Key], r.User)
	}
	for _, s := range c.dump.States {
		p := place{s.Room, s.Seq}
		l.states[p] = s
		l.recalls[p] = s.Recalled
		l.final[p] = state{s.Change, s.Version, c.log[p].Content, s.Recalled, s.Pinned, Reactions(reactions[p])}
	}
	for room := range l.logged {
		slices.SortFunc(l.logged[room], func(a, b DumpChange) int { return int(a.Change) - int(b.Change) })
	}
}

// said reports whether a message may have said that: as it was sent, or as an edit left it.
func (c *checker) said(p place, content string) bool {
	m := c.log[p]
	if content == m.Content || c.life.texts[p][content] {
		return true
	}
	return slices.ContainsFunc(c.sends[key{m.Room, m.Sender, m.ClientMsgID}], func(s Event) bool { return s.Content == content })
}

// recalledAbove counts a room's recalled messages of users after the first n, up to ord most, told up to a change_seq.
func (c *checker) recalledAbove(room, n, most, change uint64) (count uint64) {
	for _, x := range c.life.logged[room] {
		ord := c.log[place{room, x.Seq}].Ord
		if x.Kind == "recall" && x.Change <= change && ord > n && ord <= most {
			count++
		}
	}
	return count
}

// changes is C1 and C3, as far as the database shows them.
func (c *checker) changes() {
	c.doneOnce()
	c.denseChanges()
	c.replayed()
}

// doneOnce is C1: what was done stands under its id, with the numbers of its answer, and every change has an id.
func (c *checker) doneOnce() {
	first := map[key]Event{}
	for _, e := range c.events {
		if e.Kind != Done {
			continue
		}
		k := key{e.Room, e.User, e.ID}
		row, ok := c.life.kept[k]
		if !ok {
			c.report("C1", "change %s of user %d in room %d, seq %d, is done and is not remembered", e.ID, e.User, e.Room, e.Seq)
			continue
		}
		if e.Change == 0 && e.Version == 0 { // the road doesn't tell them
			continue
		}
		if e.Change != row.Change || e.Version != row.Version {
			c.report("C1", "change %s of user %d in room %d, seq %d, was answered with %d.%d and stands as %d.%d",
				e.ID, e.User, e.Room, e.Seq, e.Change, e.Version, row.Change, row.Version)
		}
		if f, again := first[k]; again && (f.Change != e.Change || f.Version != e.Version) {
			c.report("C1", "change %s of user %d in room %d, seq %d, was answered with %d.%d, then with %d.%d",
				e.ID, e.User, e.Room, e.Seq, f.Change, f.Version, e.Change, e.Version)
		} else if !again {
			first[k] = e
		}
	}
	for _, x := range c.dump.Logged {
		if c.users[x.User] && x.Kind != "erase" && len(c.causes(x)) == 0 {
			c.report("C1", "change %d of room %d (%s of seq %d by user %d) stands under no id: it was made twice, or by nobody", x.Change, x.Room, x.Kind, x.Seq, x.User)
		}
	}
}

// causes are the ids under which a change may have been asked. There is more than one where a later one found nothing left to change.
func (c *checker) causes(x DumpChange) (ids []Event) {
	for _, a := range c.life.numbers[place{x.Room, x.Change}] {
		if a.User != x.User || a.Seq != x.Seq {
			continue
		}
		for _, e := range c.life.asked[key{a.Room, a.User, a.ID}] {
			if e.Word == x.Kind && (x.Kind != "reaction" && x.Kind != "pin" || e.Key == x.Key && e.On == x.On) {
				ids = append(ids, e)
				break
			}
		}
	}
	return ids
}

// denseChanges is C3: change_seqs are 1 … change_seq, and a state stands at the last change of its message.
func (c *checker) denseChanges() {
	last, versions := map[place]uint64{}, map[place]uint64{}
	for room, list := range c.life.logged {
		for i, x := range list {
			if want := uint64(i + 1); x.Change != want {
				c.report("C3", "room %d: change %d stands where %d belongs", room, x.Change, want)
				break
			}
			last[place{room, x.Seq}] = x.Change
			if x.Kind == "edit" {
				versions[place{room, x.Seq}]++
			}
		}
	}
	for _, r := range c.dump.Rooms {
		if n := uint64(len(c.life.logged[r.ID])); r.Changes != n {
			c.report("C3", "room %d says change_seq %d and has %d changes", r.ID, r.Changes, n)
		}
	}
	for p, s := range c.life.states {
		if s.Change != last[p] || s.Version != versions[p]+1 {
			c.report("C3", "room %d seq %d stands at change %d, version %d; its changes say %d, %d", p.room, p.seq, s.Change, s.Version, last[p], versions[p]+1)
		}
	}
	for p := range last {
		if _, ok := c.life.states[p]; !ok {
			c.report("C3", "room %d seq %d was changed at %d and has no state", p.room, p.seq, last[p])
		}
	}
}

// replayed is C1: a message is what its changes made of it, in their order. A retry that undid a later change would show here.
func (c *checker) replayed() {
	type made struct {
		content string
		state
		by      map[string][]uint64
		unclear bool // which of several ids made a change, nobody can say
	}
	all := map[place]*made{}
	for _, room := range slices.Sorted(maps.Keys(c.life.logged)) {
		for _, x := range c.life.logged[room] {
			p := place{room, x.Seq}
			m := all[p]
			if m == nil {
				m = &made{by: map[string][]uint64{}}
				all[p] = m
			}
			ids := c.causes(x)
			if len(ids) == 0 {
				m.unclear = true
				continue
			}
			e := ids[0]
			m.unclear = m.unclear || slices.ContainsFunc(ids, func(o Event) bool { return o.Content != e.Content || o.Key != e.Key || o.On != e.On })
			switch x.Kind {
			case "edit":
				m.content = e.Content
			case "recall":
				m.recalled, m.content, m.by = true, "", map[string][]uint64{}
			case "pin":
				m.pinned = e.On
			case "reaction":
				m.by[e.Key] = slices.DeleteFunc(m.by[e.Key], func(u uint64) bool { return u == x.User })
				if e.On {
					m.by[e.Key] = append(m.by[e.Key], x.User)
				}
			}
		}
	}
	for p, m := range all {
		is, ok := c.life.final[p]
		switch {
		case !ok || m.unclear:
		case is.recalled != m.recalled:
			c.report("C1", "room %d seq %d is recalled: %v; its changes say %v", p.room, p.seq, is.recalled, m.recalled)
		case is.content != m.content && (m.content != "" || m.recalled):
			c.report("C1", "room %d seq %d says %q; the last of its edits said %q", p.room, p.seq, is.content, m.content)
		case is.reactions != Reactions(m.by):
			c.report("C1", "room %d seq %d has the reactions %q; its changes say %q", p.room, p.seq, is.reactions, Reactions(m.by))
		case !is.recalled && is.pinned != m.pinned:
			c.report("C1", "room %d seq %d is pinned: %v; its changes say %v", p.room, p.seq, is.pinned, m.pinned)
		}
	}
}

// told is what a client was told of a message, part by part, each with the change_seq at which it was told.
type told struct {
	state
	at [4]uint64 // of content, recalled, reactions, pinned
}

// take merges what a frame tells: of each part the newest counts, in whichever order they come.
func (t *told) take(s *Seen) {
	part := func(i int, there bool) bool {
		if !there || s.Change < t.at[i] {
			return false
		}
		t.at[i] = s.Change
		return true
	}
	if part(0, s.Content != nil) {
		t.content = *s.Content
	}
	if part(1, s.Recalled != nil) {
		if t.recalled = *s.Recalled; t.recalled {
			t.content, t.reactions, t.at[0], t.at[2] = "", "", max(t.at[0], s.Change), max(t.at[2], s.Change)
		}
	}
	if part(2, s.Reactions != nil) {
		t.reactions = *s.Reactions
	}
	if part(3, s.Pinned != nil) {
		t.pinned = *s.Pinned
	}
	if s.Change >= t.change {
		t.change, t.version = s.Change, s.Version
	}
}

// lens is a client's view of a room.
type lens struct {
	client string
	user   uint64
	room   uint64
}

// stories is C2, C3, C4 and C6, by what clients were told.
func (c *checker) stories() {
	held, shown := map[lens]map[uint64]*told{}, map[lens]map[uint64]bool{}
	ended, gone := map[string]bool{}, map[lens]time.Duration{}
	for _, e := range c.events {
		l := lens{e.Client, e.User, e.Room}
		switch e.Kind {
		case Based:
			if e.Word != "visible" {
				held[l], shown[l] = map[uint64]*told{}, map[uint64]bool{}
			}
			delete(gone, l)
		case Left:
			delete(held, l)
			delete(shown, l)
			gone[l] = e.At
		case Closed:
			ended[e.Client] = Terminal(e.Code)
		case Shown:
			if shown[l] != nil {
				shown[l][e.Seq] = true
			}
		case Received, Changed:
			c.mayHear(e)
			if e.Seen == nil || held[l] == nil || e.Seq == 0 {
				continue
			}
			t := held[l][e.Seq]
			if t == nil {
				t = &told{}
				held[l][e.Seq] = t
			}
			c.unrecalled(e, t)
			c.forward(e, t)
			t.take(e.Seen)
		}
	}
	for l, seqs := range shown {
		from, _, in := c.visible(l.room, l.user)
		if !in || ended[l.client] {
			continue
		}
		for seq := range seqs {
			if seq >= from { // else it is of a membership that ended while the client was away, and told no more
				c.sameState(l, seq, held[l][seq])
			}
		}
	}
	c.pages()
}

// unrecalled is C4: a text that comes after it was recalled, on the same client.
func (c *checker) unrecalled(e Event, t *told) {
	if t.recalled && e.Seen.Content != nil && *e.Seen.Content != "" {
		c.report("C4", "%s was told that room %d seq %d is recalled, and then got its text %q (%s)", e.Client, e.Room, e.Seq, *e.Seen.Content, e.Kind)
	}
}

// forward is C3: a version belongs to a change, and rises along them.
func (c *checker) forward(e Event, t *told) {
	s := e.Seen
	if s.Change == t.change && t.change > 0 && s.Version != t.version || s.Change > t.change && s.Version < t.version {
		c.report("C3", "%s saw room %d seq %d at change %d in version %d, and at change %d in version %d", e.Client, e.Room, e.Seq, t.change, t.version, s.Change, s.Version)
	}
	if last := c.life.states[place{e.Room, e.Seq}].Change; s.Change > last {
		c.report("C3", "%s saw room %d seq %d at change %d; its last one is %d", e.Client, e.Room, e.Seq, s.Change, last)
	}
}

// sameState is C2: at rest a client holds a message's state as it is.
func (c *checker) sameState(l lens, seq uint64, t *told) {
	want := c.life.final[place{l.room, seq}]
	is := state{}
	if t != nil {
		is = t.state
	}
	if want.change == 0 && is.change == 0 {
		return // never changed; I6 compares contents
	}
	if t == nil || t.at[0] == 0 && want.version <= 1 && !want.recalled { // its text was never told anew: what was sent counts
		is.content = want.content
	}
	if want.recalled {
		is.pinned = want.pinned // what becomes of the pin of a recalled message, nobody needs to tell
	}
	if is != want {
		c.report("C2", "%s holds room %d seq %d as %s; it is %s", l.client, l.room, seq, is, want)
	}
}

func (s state) String() string {
	return fmt.Sprintf("change %d, version %d, %q, recalled %v, pinned %v, reactions %q", s.change, s.version, s.content, s.recalled, s.pinned, s.reactions)
}

// mayHear is C6: who may not see a message is told nothing of its state; who isn't a member hears of no change at all. A change that
// tells nothing may be of before one came: it may be held back for a moment, and somebody may have come meanwhile.
func (c *checker) mayHear(e Event) {
	if e.Kind != Changed {
		return
	}
	member := c.member[roomUser{e.Room, e.User}]
	at := func(m DumpMember) bool {
		return e.AtSeq == 0 || e.AtSeq >= m.VisibleFrom && (m.LeftSeq == 0 || e.AtSeq < m.LeftSeq)
	}
	switch {
	case e.Seq == 0 && !slices.ContainsFunc(member, func(m DumpMember) bool { return at(m) || m.VisibleFrom > e.AtSeq }):
		c.report("C6", "user %d (%s) was told of change %d of room %d, made after seq %d, when they were no member", e.User, e.Client, e.Change, e.Room, e.AtSeq)
	case e.Seq != 0 && !slices.ContainsFunc(member, func(m DumpMember) bool { return at(m) && m.sees(e.Seq) }):
		c.report("C6", "user %d (%s) was told of change %d to seq %d of room %d, made after seq %d, which they may not see", e.User, e.Client, e.Change, e.Seq, e.Room, e.AtSeq)
	}
}

// pages is C4 for pages: a text that is in one that was asked for after the recall had been told to any client of the user, or done by
// them.
func (c *checker) pages() {
	type at struct {
		user uint64
		place
	}
	toldAt := map[at]time.Duration{}
	for _, e := range c.events {
		k := at{e.User, place{e.Room, e.Seq}}
		recall := e.Seen != nil && e.Seen.Recalled != nil && *e.Seen.Recalled
		if e.Kind == Done {
			asked := c.life.asked[key{e.Room, e.User, e.ID}]
			recall = len(asked) > 0 && asked[0].Word == "recall"
		}
		if _, known := toldAt[k]; recall && !known {
			toldAt[k] = e.At
		}
	}
	for _, e := range c.events {
		if e.Kind != Paged || e.Seen == nil || e.Seen.Content == nil || *e.Seen.Content == "" {
			continue
		}
		if since, ok := toldAt[at{e.User, place{e.Room, e.Seq}}]; ok && since < e.Began {
			c.report("C4", "user %d knew at %v that room %d seq %d is recalled, and got its text %q in a page asked for at %v", e.User, since, e.Room, e.Seq, *e.Seen.Content, e.Began)
		}
	}
}

// counted is C5: a number of unread messages follows from the numbers beside it, at any time.
func (c *checker) counted() {
	for _, e := range c.events {
		if e.Kind != Counted {
			continue
		}
		last, read := c.log[place{e.Room, e.Last}].Ord, c.log[place{e.Room, e.Read}].Ord
		if want := last - min(last, read) - c.recalledAbove(e.Room, read, last, e.Change); e.Unread != want {
			c.report("C5", "user %d is shown %d unread in room %d at %v, read up to %d of %d, at change %d: want %d", e.User, e.Unread, e.Room, e.At, e.Read, e.Last, e.Change, want)
		}
	}
}
