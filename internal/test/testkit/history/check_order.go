package history

// senderOrder is I4. Retries keep the number of the first send.
func (c *checker) senderOrder() {
	type lane struct {
		client string
		room   uint64
	}
	type last struct {
		seq uint64
		id  string
	}
	at := map[lane]last{}
	for _, e := range c.events {
		if e.Kind != Sent {
			continue
		}
		seq, ok := c.ackedSeq(key{e.Room, e.User, e.ID})
		if !ok {
			continue
		}
		l := lane{e.Client, e.Room}
		if seq < at[l].seq {
			c.report("I4", "%s sent %s before %s in room %d, but they are stored at %d and %d", e.Client, at[l].id, e.ID, e.Room, at[l].seq, seq)
		}
		at[l] = last{seq, e.ID}
	}
}

func (c *checker) ackedSeq(k key) (uint64, bool) {
	if acks := c.acks[k]; len(acks) > 0 {
		return acks[0].Seq, true
	}
	return 0, false
}

// realTimeOrder is I5.
func (c *checker) realTimeOrder() {
	highest := map[uint64]Event{} // per room, the highest seq acked so far
	for _, e := range c.events {
		switch e.Kind {
		case Acked:
			if e.Seq > highest[e.Room].Seq {
				highest[e.Room] = e
			}
		case Sent:
			k := key{e.Room, e.User, e.ID}
			if len(c.sends[k]) > 0 && c.sends[k][0].At != e.At {
				continue // sent before, under the same id
			}
			before := highest[e.Room]
			if seq, ok := c.ackedSeq(k); ok && seq <= before.Seq && before.ID != e.ID {
				c.report("I5", "room %d: %s was sent after %s had been acked as %d, and is stored at %d", e.Room, e.ID, before.ID, before.Seq, seq)
			}
		}
	}
}

// views is I6.
func (c *checker) views() {
	have, ended := map[lens]uint64{}, map[string]bool{}
	for _, e := range c.events {
		l := lens{e.Client, e.User, e.Room}
		switch e.Kind {
		case Based:
			have[l] = e.Seq
			if e.Word == "visible" && !c.begins(e.Room, e.User, e.Seq+1) {
				c.report("I6", "%s got room %d as visible from %d on, where no membership of user %d begins", e.Client, e.Room, e.Seq+1, e.User)
			}
		case Hole:
			c.report("I6", "%s was sent a synced for room %d up to %d and had it up to %d", e.Client, e.Room, e.Seq, e.From)
		case Left:
			delete(have, l)
		case Closed:
			ended[e.Client] = Terminal(e.Code)
		case Shown:
			if e.Seq != have[l]+1 {
				c.report("I6", "%s: room %d shows %d after %d", e.Client, e.Room, e.Seq, have[l])
			}
			have[l] = e.Seq
			c.sameContent(e)
		case Received:
			c.sameContent(e)
		}
	}
	for l, seq := range have {
		if _, want, in := c.visible(l.room, l.user); in && seq < want && !ended[l.client] {
			c.report("I6", "%s ends with room %d up to %d of %d", l.client, l.room, seq, want)
		}
	}
}

// begins reports whether a membership of the user shows the room from seq on.
func (c *checker) begins(room, user, seq uint64) bool {
	for _, m := range c.member[roomUser{room, user}] {
		if m.VisibleFrom == seq {
			return true
		}
	}
	return false
}

func (c *checker) sameContent(e Event) {
	m, ok := c.log[place{e.Room, e.Seq}]
	switch {
	case !ok:
		c.report("I6", "%s saw room %d seq %d, which is not stored", e.Client, e.Room, e.Seq)
	case !c.said(place{e.Room, e.Seq}, e.Content) && (e.Content != "" || !c.life.recalls[place{e.Room, e.Seq}]) || m.Sender != e.About || m.ClientMsgID != e.ID:
		c.report("I6", "%s saw room %d seq %d as %q of user %d; it is %q of user %d", e.Client, e.Room, e.Seq, e.Content, e.About, m.Content, m.Sender)
	}
}

// visible is what a member sees, from … to; in is false if the user is no member now.
func (c *checker) visible(room, user uint64) (from, to uint64, in bool) {
	for _, m := range c.member[roomUser{room, user}] {
		if m.LeftSeq == 0 {
			return m.VisibleFrom, c.rooms[room].LastSeq, true
		}
	}
	return 0, 0, false
}

// membership is I7.
func (c *checker) membership() {
	for _, e := range c.events {
		if e.Kind != Received && e.Kind != Shown {
			continue
		}
		ok := false
		for _, m := range c.member[roomUser{e.Room, e.User}] {
			ok = ok || m.sees(e.Seq)
		}
		if !ok {
			c.report("I7", "user %d received room %d seq %d, which is outside their membership", e.User, e.Room, e.Seq)
		}
	}
}

// unread is I8, for counts taken at rest.
func (c *checker) unread() {
	for _, e := range c.events {
		if e.Kind != Unread || !e.Final {
			continue
		}
		for _, m := range c.member[roomUser{e.Room, e.User}] {
			count := c.rooms[e.Room].MsgCount
			recalled := c.recalledAbove(e.Room, m.ReadCount, count, c.rooms[e.Room].Changes)
			want, rule := count-min(count, m.ReadCount)-recalled, "I8"
			if recalled > 0 {
				rule = "C5"
			}
			if m.LeftSeq == 0 && e.Seq != want {
				c.report(rule, "user %d is shown %d unread in room %d, want %d", e.User, e.Seq, e.Room, want)
			}
		}
	}
}

// readPointers is I9.
func (c *checker) readPointers() {
	type pointer struct {
		client     string
		conn       int
		room, user uint64
	}
	at := map[pointer]uint64{}
	for _, e := range c.events {
		if e.Kind != ReadAt {
			continue
		}
		p := pointer{e.Client, e.Conn, e.Room, e.About}
		if e.Seq < at[p] {
			c.report("I9", "%s saw the pointer of user %d in room %d go from %d back to %d", e.Client, e.About, e.Room, at[p], e.Seq)
		}
		at[p] = e.Seq
		if e.Seq > c.rooms[e.Room].LastSeq {
			c.report("I9", "%s saw the pointer of user %d in room %d at %d, beyond the end", e.Client, e.About, e.Room, e.Seq)
		}
	}
	for _, m := range c.dump.Members {
		r := c.rooms[m.Room]
		if m.ReadSeq > r.LastSeq || m.ReadCount > r.MsgCount {
			c.report("I9", "user %d has read up to %d (%d messages) in room %d, which ends at %d (%d)", m.User, m.ReadSeq, m.ReadCount, m.Room, r.LastSeq, r.MsgCount)
		}
		ord := c.log[place{m.Room, m.ReadSeq}].Ord
		if m.ReadSeq > 0 && m.ReadCount != ord {
			c.report("I9", "user %d has read up to %d in room %d: %d messages, want %d", m.User, m.ReadSeq, m.Room, m.ReadCount, ord)
		}
	}
}
