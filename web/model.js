/** What the page knows: rooms, messages, people. No DOM and no network, so that it can be tested alone. */

export class Model {
  me = null;
  rooms = new Map(); // id → room as listed, with messages, pending, typing, peerRead
  users = new Map(); // id → user
  presence = new Map(); // id → {online, last_seen}
  features = []; // what this connection can do, as welcome named it

  constructor(me) { this.me = me; if (me) this.users.set(me.id, me); }

  room(id) { return this.rooms.get(id); }

  /** Takes rooms as GET /rooms, POST /rooms or `joined` show them. */
  put(listed) {
    const r = this.rooms.get(listed.id) ?? { messages: new Map(), pending: new Map(), typing: new Map(), peerRead: new Map(), changing: new Map(), hasOlder: true, loaded: false, read_seq: 0, unread: 0, counted: 0 };
    const last = r.last_message && r.last_message.seq > (listed.last_message?.seq ?? 0) ? r.last_message : listed.last_message ?? r.last_message;
    const fresh = (listed.last_seq ?? 0) >= r.counted && listed.unread !== undefined;
    const { unread, read_seq, ...rest } = listed;
    Object.assign(r, rest, { last_message: last, read_seq: Math.max(read_seq ?? 0, r.read_seq) });
    if (fresh) Object.assign(r, { unread, counted: listed.last_seq ?? r.counted });
    r.changed ??= listed.change_seq ?? 0; // of the changes, up to which one the messages here are known to be as they are
    this.rooms.set(r.id, r);
    if (listed.peer) this.users.set(listed.peer.id, listed.peer);
    return r;
  }

  /** `welcome` knows unread and read_seq; answers the ids that are not known yet. */
  welcome(w) {
    const ids = new Set(w.rooms.map((r) => r.id));
    this.features = w.features ?? [];
    if (!w.more) for (const id of [...this.rooms.keys()]) if (!ids.has(id)) this.rooms.delete(id);
    for (const x of w.rooms) {
      const r = this.rooms.get(x.id);
      if (r) Object.assign(r, { unread: x.unread, read_seq: Math.max(r.read_seq, x.read_seq), counted: x.last_seq, epoch: x.epoch });
    }
    return [...ids].filter((id) => !this.rooms.has(id));
  }

  /** A live message. Counts as unread once, where it is a person's and after the pointer. */
  add(m) {
    const r = this.rooms.get(m.room_id);
    if (!r) return null;
    this.#keep(r, m);
    r.typing.delete(m.sender_id);
    if (m.seq > (r.last_seq ?? 0)) r.last_seq = m.seq;
    const mine = m.sender_id === this.me.id && m.kind !== 'system';
    if (mine) this.moveRead(r, m.seq, m.seq >= r.last_seq ? 0 : undefined);
    else if (m.seq > r.counted && m.seq > r.read_seq && m.kind !== 'system') r.unread++;
    r.counted = Math.max(r.counted, m.seq);
    return r;
  }

  /** A page of history, ascending. */
  page(roomId, page, older) {
    const r = this.rooms.get(roomId);
    if (!r) return;
    for (const m of page.messages) this.#keep(r, m);
    r.loaded = true;
    if (older) r.hasOlder = page.has_more && page.messages.length > 0;
  }

  /**
   * A message was edited, recalled, pinned or reacted to. Answers true where changes before it were missed: then load the messages again.
   * Only fields that may have changed are in the frame.
   */
  change(f) {
    const r = this.rooms.get(f.room_id);
    if (!r || f.change_seq <= r.changed) return false;
    const missed = f.prev > r.changed, old = f.message && r.messages.get(f.message.seq);
    r.changed = f.change_seq;
    if (old && (old.change_seq ?? 0) < f.change_seq) {
      const m = { ...old, ...f.message };
      if (m.recalled) Object.assign(m, { content: '', reactions: [] });
      m.mine = this.#own(m, old);
      if (m.recalled && !old.recalled && m.seq > r.read_seq && m.sender_id !== this.me.id && r.unread > 0) r.unread--;
      r.messages.set(m.seq, m);
      if (r.last_message?.seq === m.seq) r.last_message = m;
    }
    return missed;
  }

  /** The rooms of a `welcome` in which something was changed meanwhile; their messages here are old. */
  outdated(w) {
    const old = w.rooms.filter((x) => (x.change_seq ?? 0) > (this.rooms.get(x.id)?.changed ?? Infinity));
    for (const x of old) this.rooms.get(x.id).changed = x.change_seq;
    return old.map((x) => x.id);
  }

  /** Throws a room's messages away: its view could not be made whole. */
  forgetMessages(roomId) {
    const r = this.rooms.get(roomId);
    if (r) Object.assign(r, { messages: new Map(), hasOlder: true, loaded: false });
  }

  #keep(r, m) {
    const old = r.messages.get(m.seq);
    if ((old?.change_seq ?? 0) <= (m.change_seq ?? 0)) r.messages.set(m.seq, { ...m, mine: m.mine ?? this.#own(m, old) }); // never back to an earlier state
    if (m.sender_id === this.me.id && m.client_msg_id) r.pending.delete(m.client_msg_id);
    if (!r.last_message || m.seq > r.last_message.seq) r.last_message = m;
  }

  /** One's own reactions: a message names only the first who reacted, so beyond them what was known stays. */
  #own(m, old) {
    return (m.reactions ?? []).filter((x) => x.user_ids.includes(this.me.id) || x.count > x.user_ids.length && old?.mine?.includes(x.key)).map((x) => x.key);
  }

  /** A `mine` frame: what another device of one's own has reacted with. */
  mine(f) {
    const r = this.rooms.get(f.room_id), m = r?.messages.get(f.seq);
    if (m) r.messages.set(f.seq, { ...m, mine: f.keys });
  }

  /** One's own reaction is done, or taken back. */
  reacted(roomId, seq, key, on) {
    const rest = (this.rooms.get(roomId)?.messages.get(seq)?.mine ?? []).filter((k) => k !== key);
    this.mine({ room_id: roomId, seq, keys: on ? [...rest, key] : rest });
  }

  /** What one may do with a message; the service has the last word: how long one may edit, for example, it alone knows. */
  may(r, m) {
    if (m.kind === 'system' || !this.features.includes('changes')) return {};
    const mine = m.sender_id === this.me.id, leads = ['owner', 'admin'].includes(r.role), here = !m.recalled;
    return { react: here, reply: here && this.features.includes('data'), edit: here && mine, recall: here && (mine || r.type === 'group' && leads),
      pin: here && !m.pinned && (r.type === 'direct' || leads), unpin: Boolean(m.pinned) && (r.type === 'direct' || leads) };
  }

  /** A change that is under way: {id, kind, seq, …}. What of the same kind failed before is forgotten. */
  begin(roomId, c) {
    const all = this.rooms.get(roomId)?.changing;
    if (!all) return;
    for (const old of [...all.values()]) if (old.state === 'failed' && old.seq === c.seq && old.kind === c.kind && old.key === c.key) all.delete(old.id);
    all.set(c.id, { ...c, state: 'pending' });
  }

  /** A change that was done, or is given up. */
  end(roomId, id) { this.rooms.get(roomId)?.changing.delete(id); }

  /** A change that was refused. */
  refuse(roomId, id, err, retry) {
    const c = this.rooms.get(roomId)?.changing.get(id);
    if (c) Object.assign(c, { state: 'failed', err, retry: Boolean(retry) });
  }

  /** The changes of a message that are under way or failed. */
  changesOf(r, seq) { return [...r.changing.values()].filter((c) => c.seq === seq); }

  /** Messages that can be shown without a hole: the newest run, ascending. `hole` is the seq before which one is missing. */
  shown(r) {
    const seqs = [...r.messages.keys()].sort((a, b) => a - b);
    let from = seqs.length;
    while (from > 0 && (from === seqs.length || seqs[from - 1] === seqs[from] - 1)) from--;
    return { list: seqs.slice(from).map((s) => r.messages.get(s)), hole: from > 0 ? seqs[from] : 0 };
  }

  /** A send that is not committed yet. */
  pend(roomId, id, content, reply_to) {
    this.rooms.get(roomId)?.pending.set(id, { id, content, reply_to, state: 'pending', at: new Date().toISOString() });
  }

  /** A send that was refused; retry tells whether the same one may succeed later. */
  fail(roomId, id, err, retry) {
    const p = this.rooms.get(roomId)?.pending.get(id);
    if (p) Object.assign(p, { state: 'failed', err, retry: Boolean(retry) });
  }

  settle(roomId, id) { this.rooms.get(roomId)?.pending.delete(id); }

  /** A `read` frame: mine moves the badge, others' show as ticks. */
  read(f) {
    const r = this.rooms.get(f.room_id);
    if (!r) return;
    if (f.user_id === this.me.id) this.moveRead(r, f.seq, f.unread);
    else r.peerRead.set(f.user_id, Math.max(f.seq, r.peerRead.get(f.user_id) ?? 0));
  }

  moveRead(r, seq, unread) {
    if (seq < r.read_seq) return;
    r.read_seq = seq;
    if (unread !== undefined) r.unread = unread;
  }

  typing(f, now) {
    if (f.user_id !== this.me.id) this.rooms.get(f.room_id)?.typing.set(f.user_id, now + 6000);
  }

  typers(r, now) {
    for (const [id, until] of r.typing) if (until <= now) r.typing.delete(id);
    return [...r.typing.keys()];
  }

  /** Rooms by latest activity. */
  sorted() {
    const at = (r) => Date.parse(r.last_message?.created_at ?? r.created_at ?? 0) || 0;
    return [...this.rooms.values()].sort((a, b) => at(b) - at(a) || b.id - a.id);
  }

  /** The people whose presence matters now: partners of direct rooms, then the open room's members. */
  watched(members, limit) {
    const ids = new Set();
    for (const r of this.rooms.values()) if (r.peer) ids.add(r.peer.id);
    for (const m of members ?? []) ids.add(m.user_id);
    ids.delete(this.me.id);
    return [...ids].slice(0, limit);
  }
}
