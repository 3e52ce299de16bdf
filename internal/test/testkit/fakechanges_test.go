package testkit

import (
	"slices"
	"strconv"

	"chat-service/internal/test/testkit/history"
)

// fakeChanges are the changes of a fakeServer's room.
type fakeChanges struct {
	states    map[uint64]*history.DumpState
	reactions []history.DumpReaction
	logged    []history.DumpChange
	asked     []history.DumpAsked
}

// stateOf adds a message's state to a frame about it, every part of it.
func (s *fakeServer) stateOf(seq uint64, f map[string]any) map[string]any {
	st := s.states[seq]
	if st == nil {
		return f
	}
	f["seq"], f["change_seq"], f["version"], f["content"] = seq, st.Change, st.Version, s.log[seq-1].Content
	f["reactions"], f["pinned"] = []any{}, nil
	for _, r := range s.reactions {
		if r.Seq == seq {
			f["reactions"] = append(f["reactions"].([]any), map[string]any{"key": r.Key, "count": 1, "user_ids": []uint64{r.User}})
		}
	}
	if st.Pinned {
		f["pinned"] = map[string]any{"by": 1}
	}
	if st.Recalled {
		f["recalled"] = map[string]any{"by": 1}
	}
	return f
}

// changeFrame tells of a message's last change, after prev.
func (s *fakeServer) changeFrame(seq, prev uint64) map[string]any {
	return map[string]any{
		"type": "change", "room_id": fakeRoom, "change_seq": s.states[seq].Change, "prev": prev, "at_seq": len(s.log),
		"message": s.stateOf(seq, map[string]any{}),
	}
}

// change carries out what a client asks for, once, unless the server is to do it with every retry.
func (s *fakeServer) change(c *fakeConn, cmd Frame) {
	seq, id := cmd.Num("seq"), cmd.Str("change_id")
	if seq == 0 || seq > uint64(len(s.log)) {
		s.push(c, map[string]any{"type": "error", "ref": id, "code": "not_found"})
		return
	}
	i := slices.IndexFunc(s.asked, func(a history.DumpAsked) bool { return a.User == c.user && a.ID == id })
	if i < 0 || s.again {
		if s.states[seq] == nil {
			s.states[seq] = &history.DumpState{Room: fakeRoom, Seq: seq, Version: 1}
		}
		st := s.states[seq]
		if st.Recalled {
			s.push(c, map[string]any{"type": "error", "ref": id, "code": "conflict"})
			return
		}
		prev := uint64(len(s.logged))
		s.carryOut(c.user, cmd, st)
		st.Change = prev + 1
		kind := map[string]string{"edit": "edit", "recall": "recall", "react": "reaction", "pin": "pin"}[cmd.Type()]
		s.logged = append(s.logged, history.DumpChange{Room: fakeRoom, Change: prev + 1, Kind: kind, Seq: seq, User: c.user, AtSeq: uint64(len(s.log)), Key: cmd.Str("key"), On: cmd.Bool("on")})
		if i < 0 {
			i = len(s.asked)
			s.asked = append(s.asked, history.DumpAsked{Room: fakeRoom, User: c.user, ID: id, Seq: seq, Change: prev + 1, Version: st.Version})
		}
		for other := range s.conns {
			if !s.chance(s.losePush) {
				s.push(other, s.changeFrame(seq, prev))
			}
		}
	}
	if !s.chance(s.loseAck) {
		a := s.asked[i]
		s.push(c, map[string]any{"type": "done", "ref": id, "change_id": id, "room_id": fakeRoom, "seq": seq, "change_seq": a.Change, "version": a.Version})
	}
	for other := range s.conns {
		if !s.silent {
			s.push(other, map[string]any{"type": "head", "rooms": map[string]any{}, "changes": map[string]any{strconv.Itoa(fakeRoom): len(s.logged)}})
		}
	}
}

func (s *fakeServer) carryOut(user uint64, cmd Frame, st *history.DumpState) {
	switch cmd.Type() {
	case "edit":
		st.Version++
		s.log[st.Seq-1].Content = cmd.Str("content")
	case "recall":
		st.Recalled = true
		s.log[st.Seq-1].Content = ""
		s.reactions = slices.DeleteFunc(s.reactions, func(r history.DumpReaction) bool { return r.Seq == st.Seq })
	case "pin":
		st.Pinned = cmd.Bool("on")
	case "react":
		mine := history.DumpReaction{Room: fakeRoom, Seq: st.Seq, Key: cmd.Str("key"), User: user}
		s.reactions = slices.DeleteFunc(s.reactions, func(r history.DumpReaction) bool { return r == mine })
		if cmd.Bool("on") {
			s.reactions = append(s.reactions, mine)
		}
	}
}

// syncChanges sends what changed since a cursor up to a seq.
func (s *fakeServer) syncChanges(c *fakeConn, since, upTo uint64) {
	var states []*history.DumpState
	for _, st := range s.states {
		if st.Change > since && st.Seq <= upTo {
			states = append(states, st)
		}
	}
	slices.SortFunc(states, func(a, b *history.DumpState) int { return int(a.Change) - int(b.Change) })
	for _, st := range states {
		s.push(c, s.changeFrame(st.Seq, since))
		since = st.Change
	}
}
