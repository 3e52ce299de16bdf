package broker

import (
	"runtime/debug"
	"time"
)

// stuck is how long the oldest verdict may be missing before later ones are looked for: one queue
// without a quorum must not hold up the others.
const stuck = 20 * time.Millisecond

// judge takes verdicts, oldest first, and calls the done functions, until quit.
func (p *Publisher) judge() {
	defer close(p.judged)
	j := judgement{p: p, returned: map[string]struct{}{}}
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		head, ses := p.oldest()
		var done, down <-chan struct{}
		wait := never
		if ses != nil {
			down = ses.down
		}
		if head != nil && !j.cut {
			done, wait = head.Done(), stuck
		}
		timer.Reset(wait)
		select {
		case <-done:
			j.collect(ses, false)
		case <-timer.C:
			if ses != nil && !j.cut {
				j.collect(ses, true)
			}
		case <-down:
			j.settle(ses)
		case <-p.workWhen(done == nil):
		case <-p.quit:
			j.abort()
			return
		}
	}
}

// workWhen listens for new work only while there is nothing to wait for.
func (p *Publisher) workWhen(idle bool) <-chan struct{} {
	if idle {
		return p.work
	}
	return nil
}

func (p *Publisher) oldest() (confirm, *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent.head == nil {
		return nil, p.session
	}
	return p.sent.head.confirm, p.session
}

// judgement is the verdict goroutine's own state.
type judgement struct {
	p        *Publisher
	batch    []*entry
	returned map[string]struct{} // came back, verdict not yet seen
	cut      bool                // the session is lost; only settle helps
}

// collect finishes the entries that have a verdict: those at the front, or with all set any.
func (j *judgement) collect(ses *session, all bool) {
	p := j.p
	now := time.Now()
	p.mu.Lock()
	for e := p.sent.head; e != nil; {
		next := e.next
		if !resolved(e.confirm) {
			if !all {
				break
			}
		} else if e.confirm.Acked() {
			e.remove()
			j.batch = append(j.batch, e)
		} else if !ses.sink.alive() {
			j.cut = true // unknown, not refused
			if !all {
				break
			}
		} else {
			j.refuse(e, now)
		}
		e = next
	}
	j.release()
	p.mu.Unlock()
	// A return comes before its confirm, so all that matter are there by now.
	for id, ok := ses.sink.returned(); ok; id, ok = ses.sink.returned() {
		j.returned[id] = struct{}{}
	}
	j.finish(func(e *entry) error { return j.verdict(e) })
	poke(p.wake)
}

func resolved(c confirm) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// verdict of an acknowledged entry.
func (j *judgement) verdict(e *entry) error {
	if len(j.returned) > 0 {
		if _, back := j.returned[e.id]; back {
			delete(j.returned, e.id)
			j.p.m.Returned.Inc()
			return ErrUnroutable
		}
	}
	j.p.m.Confirmed.Inc()
	return nil
}

// refuse handles a nack: the entry waits and is sent again, or is given up. The caller holds mu.
func (j *judgement) refuse(e *entry, now time.Time) {
	e.remove()
	if e.nacks++; e.nacks == 1 {
		j.p.refused[e.target]++
	}
	if e.nacks >= maxNacks {
		j.batch = append(j.batch, e)
		return
	}
	e.due = now.Add(nackPause << (e.nacks - 1))
	j.p.later.pushBack(e)
}

// release gives the batch's share of the window back, before the done functions run. The caller
// holds mu.
func (j *judgement) release() {
	p := j.p
	for _, e := range j.batch {
		p.records -= e.records
		p.bytes -= e.bytes
		p.m.InFlightBytes.Sub(float64(e.bytes))
		if p.suspect > 0 {
			p.suspect--
		}
		if e.owner != nil {
			e.owner.pending -= e.records
		}
		if e.nacks > 0 {
			p.unhold(e.target)
		}
	}
	if p.closing && p.records == 0 {
		poke(p.drained)
	}
}

// unhold lets a target's held entries go once none of it is refused any more. The caller holds mu.
func (p *Publisher) unhold(t Target) {
	if p.refused[t]--; p.refused[t] > 0 {
		return
	}
	delete(p.refused, t)
	for e := p.held.tail; e != nil; {
		prev := e.prev
		if e.target == t {
			e.remove()
			p.ready.pushFront(e)
		}
		e = prev
	}
}

// finish calls the done functions of the batch.
func (j *judgement) finish(verdict func(*entry) error) {
	for i, e := range j.batch {
		var err error
		if e.nacks >= maxNacks {
			err = ErrUnavailable
		} else {
			err = verdict(e)
		}
		for _, done := range e.dones {
			j.call(done, err)
		}
		e.recycle()
		j.batch[i] = nil
	}
	j.batch = j.batch[:0]
}

// call survives a panicking done function: the others still get their verdict.
func (j *judgement) call(done func(error), err error) {
	if done == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			j.p.o.Logger.Error("done function panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	done(err)
}

// settle takes the last verdicts of a lost session and queues everything else again, in the old
// order and before anything new.
func (j *judgement) settle(ses *session) {
	j.collect(ses, true)
	p := j.p
	p.mu.Lock()
	left := p.sent.n
	for e := p.sent.tail; e != nil; e = p.sent.tail {
		e.remove()
		e.confirm = nil
		p.ready.pushFront(e)
	}
	j.suspect(ses, left)
	j.release()
	p.session, p.blocked = nil, false
	p.noteAway()
	p.mu.Unlock()
	j.finish(func(*entry) error { return ErrUnroutable })
	clear(j.returned)
	j.cut = false
	close(ses.settled)
}

// suspect decides who is under suspicion of having killed the channel, and gives up a message that
// has done so repeatedly while it was alone. The caller holds mu.
func (j *judgement) suspect(ses *session, left int) {
	p := j.p
	if !ses.soft {
		return
	}
	if e := p.ready.head; ses.single && left == 1 {
		if e.strikes++; e.strikes >= maxStrikes {
			e.remove()
			j.batch = append(j.batch, e)
			p.m.Returned.Inc()
		}
	}
	p.suspect = max(p.suspect, left)
}

// abort ends everything that is left.
func (j *judgement) abort() {
	p := j.p
	p.mu.Lock()
	p.closing, p.aborted = true, true
	for _, g := range p.growths {
		p.flush(g, time.Now())
	}
	for _, l := range []*list{&p.sent, &p.later, &p.held, &p.ready} {
		for e := l.head; e != nil; e = l.head {
			e.remove()
			j.batch = append(j.batch, e)
		}
	}
	j.release()
	p.mu.Unlock()
	j.finish(func(*entry) error { return ErrClosed })
}
