/**
 * Client for the chat service: small, no dependency, for browsers and Node (there hand in a WebSocket class where none is built in).
 *
 *   import { ChatApi, ChatClient } from './chat-client.js';
 *   const api = new ChatApi({ base: 'https://chat.example/api/v1' });
 *   await api.login('ada', 'correct horse');
 *   const chat = new ChatClient({ url: 'wss://chat.example/api/v1/ws', token: (stale) => api.token(stale) });
 *   chat.on('message', (m) => console.log(m.room_id, m.seq, m.content));
 *   chat.start();
 *   const sent = await chat.send(7, 'Hello');   // resolves after the commit: sent.seq
 *
 * ChatApi (chat-api.js) speaks REST and keeps the tokens. ChatClient keeps one WebSocket alive and gives these guarantees:
 *   - `message` events of a room come in seq order, each once, without holes: gaps are fetched with `sync`.
 *   - `send` resolves only when the message is committed. It is retried with the same client_msg_id over reconnects,
 *     so that it is stored once; one message per room is under way at a time, so that retries keep the order.
 *   - `change` (edit, recall, react, pin) is retried in the same way with the same change_id, so that it is done once.
 *   - Reconnects wait a random time within a growing bound, obey close codes, `goaway` and `retry_after_ms`.
 *
 * Events: state {state, code?, in_ms?}, welcome, message, change, mine, read, typing, presence, joined, left, room, head, goaway,
 * error (a refusal that belongs to no send or change), resync {room_id, epoch}: load the newest page, then call reset().
 */

import { ChatError, bytesOf, encode, newId, stops, wellFormed, within, withoutType } from './chat-api.js';
import { Changes } from './chat-changes.js';

export { ChatApi, ChatError, bytesOf, memoryStore, newId, stops } from './chat-api.js';

const HELD_PER_ROOM = 1000; // messages kept while a gap before them is fetched; what is beyond is fetched again
const STABLE_MS = 60_000; // a connection of this age forgets earlier failures
const TOKEN_MS = 45_000, WELCOME_MS = 30_000, PONG_MS = 10_000;
const WAKE_MS = 5000; // wake() gives a try that is older than this up for a new one
const ACK_MS = 10_000; // silence after which a send is repeated with the same id
const SYNC_MS = 15_000, SYNC_AGAIN_MS = 500;

/** One live connection that heals itself. */
export class ChatClient {
  #o; #ws = null; #state = 'stopped'; #turn = 0; #tries = 0; #notBefore = 0;
  #timers = {}; #handlers = new Map(); #limits = { sync_rooms: 100, watch: 200 }; #openedAt = 0; #pingMs = 25_000;
  #token; #stale; #me; #rooms = new Map(); #out = new Map(); #queues = new Map();
  #wants = new Set(); #syncs = new Map(); #refs = 0; #watched = null; #reads = new Map(); #typed = new Map(); #suspects = new Set(); #changes;

  /**
   * @param {{url: string, token: (stale?: string) => Promise<string>|string, WebSocket?: any, random?: () => number,
   *   minDelayMs?: number, maxDelayMs?: number, sendTimeoutMs?: number}} o
   */
  constructor(o) {
    this.#o = { WebSocket: globalThis.WebSocket, random: Math.random, minDelayMs: 500, maxDelayMs: 25_000, sendTimeoutMs: 60_000, ...o };
    this.#changes = new Changes({ transmit: (f) => this.#transmit(f), limits: () => this.#limits, random: this.#o.random, timeoutMs: this.#o.sendTimeoutMs });
  }

  /** stopped, connecting, online, or waiting (for the next try). */
  get state() { return this.#state; }

  /** The service's limits as the last welcome named them: message_bytes, frame_bytes … */
  get limits() { return this.#limits; }

  /** Calls fn for every event of a type; answers a function that ends it. */
  on(type, fn) {
    if (!this.#handlers.has(type)) this.#handlers.set(type, new Set());
    this.#handlers.get(type).add(fn);
    return () => this.#handlers.get(type).delete(fn);
  }

  start() { if (this.#state === 'stopped') this.#open(); }

  /** Closes for good; sends and changes under way are rejected with code "stopped". */
  stop() { this.#end(1000); }

  /** Tries again now: call it when the network is back or the page is shown. A wait that the server asked for is kept. */
  wake() {
    if (this.#state === 'waiting') this.#timer('retry', Math.max(0, this.#notBefore - Date.now()), () => this.#open());
    else if (this.#state === 'online') this.#probe();
    else if (this.#state === 'connecting' && Date.now() - this.#openedAt > WAKE_MS) this.#move();
  }

  /**
   * Sends a message. Resolves with {room_id, seq, id, client_msg_id, created_at, duplicate} when it is committed. Rejects with
   * a ChatError; after one with `retry` (or code "timeout") call again with the same id: it can't be stored twice.
   * A text that is over the service's limits is refused here (code "too_large"): the service would close the connection. more: {reply_to?}
   */
  send(roomId, content, clientMsgId = newId(), more = {}) {
    const known = this.#out.get(clientMsgId);
    if (known && !known.given) return known.promise;
    if (this.#state === 'stopped') return Promise.reject(new ChatError({ code: 'stopped', retry: true }));
    const e = { id: clientMsgId, room: roomId, content: wellFormed(content), more, sent: false, given: false, timers: [] };
    e.promise = new Promise((resolve, reject) => Object.assign(e, { resolve, reject }));
    e.timers.push(setTimeout(() => this.#give(e, new ChatError({ code: 'timeout', retry: true })), this.#o.sendTimeoutMs));
    this.#out.set(e.id, e);
    if (!this.#queues.has(roomId)) this.#queues.set(roomId, []);
    this.#queues.get(roomId).push(e);
    this.#pump(roomId);
    return e.promise;
  }

  /** Changes a message: type is edit {content}, recall, react {key, on} or pin {on}. Resolves with what `done` says when that is committed; it
   *  comes as an event, too. After an error with `retry` call again with the same id: it can't be done twice. */
  change(type, roomId, seq, fields = {}, changeId = newId()) {
    if (this.#state === 'stopped') return Promise.reject(new ChatError({ code: 'stopped', retry: true }));
    return this.#changes.ask(type, roomId, seq, fields, changeId);
  }

  /** Tells whether a text is over the service's limits, as one message or as the frame around it. */
  tooLarge(content) {
    const { message_bytes = Infinity, frame_bytes = Infinity } = this.#limits;
    const frame = encode({ type: 'message', room_id: Number.MAX_SAFE_INTEGER, client_msg_id: 'x'.repeat(36), content });
    return bytesOf(content) > message_bytes || bytesOf(frame) > frame_bytes;
  }

  /** Moves the read pointer; quick repeats are merged, and it waits for a connection. */
  read(roomId, seq) {
    this.#reads.set(roomId, Math.max(seq, this.#reads.get(roomId) ?? 0));
    if (!this.#timers.reads) this.#timer('reads', 250, () => this.#flushReads());
  }

  /** Tells the room that the user types; at most every 3 s per room. */
  typing(roomId) {
    if (Date.now() - (this.#typed.get(roomId) ?? 0) < 3000) return;
    if (this.#transmit({ type: 'typing', room_id: roomId })) this.#typed.set(roomId, Date.now());
  }

  /** Replaces the presence watch list; it is told again after every reconnect. */
  watch(userIds) {
    this.#watched = [...new Set(userIds)].slice(0, this.#limits.watch || undefined);
    this.#transmit({ type: 'presence', user_ids: this.#watched });
  }

  join(roomId) { return this.#transmit({ type: 'join_room', room_id: roomId }); }
  leave(roomId) { return this.#transmit({ type: 'leave_room', room_id: roomId }); }

  /** Gives the live connection a renewed token of the same user. */
  renew(token) { this.#token = token; return this.#transmit({ type: 'auth', token }); }

  /** Answers the highest seq up to which the room is whole here, undefined where it isn't followed. */
  seqOf(roomId) { return this.#rooms.get(roomId)?.high; }

  /** After `resync`, or for a room that `welcome` left out: the app has everything up to seq. */
  reset(roomId, seq, epoch) {
    const r = this.#track(roomId, seq, epoch);
    Object.assign(r, { high: seq, top: Math.max(r.top, seq), epoch: epoch ?? r.epoch, stale: false });
    this.#drain(r);
  }

  // ---- connection

  async #open() {
    const turn = ++this.#turn;
    this.#openedAt = Date.now();
    this.#clear('retry');
    this.#set('connecting');
    try {
      const token = await within(TOKEN_MS, this.#o.token(this.#stale));
      if (turn === this.#turn) this.#token = token;
    } catch (err) {
      if (turn !== this.#turn) return;
      if (err.status >= 400 && err.status < 500 && !err.retry) this.#end(4500); else this.#later(err.retryAfterMs ?? 0);
      return;
    }
    if (turn !== this.#turn) return;
    const ws = new this.#o.WebSocket(this.#o.url);
    this.#ws = ws;
    this.#timer('life', WELCOME_MS, () => this.#drop(ws));
    ws.onopen = () => ws.send(JSON.stringify({ type: 'auth', token: this.#token }));
    ws.onmessage = (ev) => { if (ws === this.#ws) this.#receive(ev.data); };
    ws.onclose = (ev) => this.#closed(ws, ev.code, ev.reason);
    ws.onerror = () => {}; // a close follows
  }

  #drop(ws) { // do not wait for a dead peer's close
    try { ws.close(); } catch { /* never opened */ }
    this.#closed(ws, 1006, '');
  }

  #closed(ws, code, reason) {
    if (ws !== this.#ws) return;
    this.#detach();
    if (stops(code)) return this.#end(code);
    if (code === 4001) this.#stale = this.#token;
    let after = 0;
    try { after = Number(JSON.parse(reason).retry_after_ms) || 0; } catch { /* no reason given */ }
    this.#later(after, code);
  }

  #detach() {
    this.#ws = null;
    for (const name of ['life', 'stable', 'goaway', 'sync', 'reads']) this.#clear(name);
    for (const s of this.#syncs.values()) clearTimeout(s.timer);
    this.#syncs.clear();
    this.#wants.clear();
    for (const r of this.#rooms.values()) r.syncing = false;
    this.#changes.offline();
    for (const e of this.#out.values()) {
      e.sent = false;
      if (e.given) this.#out.delete(e.id); // sync brings it if it was stored
    }
  }

  #later(atLeast, code) {
    const bound = Math.min(this.#o.maxDelayMs, this.#o.minDelayMs * 2 ** Math.min(this.#tries++, 16));
    const wait = atLeast + Math.round(this.#o.random() * bound);
    this.#notBefore = Date.now() + atLeast;
    this.#timer('retry', wait, () => this.#open());
    this.#set('waiting', { code, in_ms: wait });
  }

  #end(code) {
    if (this.#state === 'stopped') return;
    this.#turn++;
    const ws = this.#ws;
    this.#detach();
    for (const name of Object.keys(this.#timers)) this.#clear(name);
    this.#set('stopped', { code });
    for (const e of [...this.#out.values()]) this.#give(e, new ChatError({ code: 'stopped', retry: true }));
    this.#out.clear();
    this.#changes.stop();
    if (ws) ws.close(1000);
  }

  #receive(data) {
    let f;
    try { f = JSON.parse(data); } catch { return; }
    this.#touch();
    switch (f.type) {
      case 'welcome': return this.#welcome(f);
      case 'message': return this.#place(withoutType(f));
      case 'ack': return this.#acked(f);
      case 'done': return this.#changes.done(withoutType(f));
      case 'error': return this.#changes.refused(f) || this.#refused(f);
      case 'synced': return this.#synced(f);
      case 'resync': return this.#resync(this.#track(f.room_id, 0), f.epoch);
      case 'head': return this.#heads(f);
      case 'joined': this.#seen(f.room); break;
      case 'left': if (f.reason !== 'unsubscribed') this.#forget(f.room_id); break;
      case 'goaway': this.#timer('goaway', f.after_ms + this.#o.random() * 1000, () => this.#move()); break;
      case 'read': case 'typing': case 'presence': case 'room': case 'change': case 'mine': break;
      default: return; // pong, and types that are newer than this client
    }
    this.#emit(f.type, withoutType(f));
  }

  #welcome(f) {
    this.#stale = undefined;
    this.#me = f.user.id;
    Object.assign(this.#limits, f.limits);
    this.#pingMs = f.ping_interval_ms || this.#pingMs;
    this.#touch();
    this.#timer('stable', STABLE_MS, () => { this.#tries = 0; });
    if (!f.more) {
      const mine = new Set(f.rooms.map((r) => r.id));
      for (const id of [...this.#rooms.keys()]) if (!mine.has(id)) this.#forget(id);
    }
    this.#set('online');
    this.#emit('welcome', withoutType(f));
    f.rooms.forEach((r) => this.#seen(r));
    if (this.#watched) this.watch(this.#watched);
    this.#flushReads();
    for (const room of this.#queues.keys()) this.#pump(room);
    this.#changes.online();
  }

  #move() { // leave what there is of a connection, and open a new one at once
    const ws = this.#ws;
    this.#detach();
    ws?.close(1000);
    this.#open();
  }

  #touch() { this.#timer('life', this.#pingMs, () => this.#probe()); }

  #probe() {
    const ws = this.#ws;
    if (this.#transmit({ type: 'ping' })) this.#timer('life', PONG_MS, () => this.#drop(ws));
  }

  #transmit(frame) {
    if (this.#state !== 'online' || this.#ws?.readyState !== 1) return false;
    this.#ws.send(encode(frame));
    return true;
  }

  #flushReads() {
    this.#clear('reads');
    for (const [room_id, seq] of this.#reads) if (this.#transmit({ type: 'read', room_id, seq })) this.#reads.delete(room_id);
  }

  // ---- sending

  #pump(roomId) {
    const e = this.#queues.get(roomId)?.[0];
    if (!e || e.sent || this.#suspects.size && this.#underWay().length) return;
    if (this.#state === 'online' && this.tooLarge(e.content)) return this.#give(e, new ChatError({ code: 'too_large' }));
    // The id stands before the text, so that it is found even where the text can't be read.
    if (!this.#transmit({ type: 'message', room_id: e.room, client_msg_id: e.id, ...e.more, content: e.content })) return;
    e.sent = true;
    this.#again(e, ACK_MS);
  }

  #underWay() { return [...this.#out.values()].filter((e) => e.sent && !e.given); }

  #again(e, ms) {
    clearTimeout(e.timers[1]);
    e.timers[1] = setTimeout(() => { e.sent = false; this.#pump(e.room); }, ms);
  }

  #acked(f) {
    const e = this.#out.get(f.client_msg_id), ack = withoutType(f);
    if (e) this.#settle(e, ack);
    if (e) this.#place({ room_id: f.room_id, seq: f.seq, id: f.id, kind: 'text', sender_id: this.#me, client_msg_id: e.id, content: e.content, ...e.more, created_at: f.created_at });
    else this.#heads({ rooms: { [f.room_id]: f.seq } }); // not ours any more: fetch it like any other
  }

  #refused(f) {
    const sent = f.ref === 'message' ? this.#underWay() : []; // refused before its id was read: it is one of these
    if (sent.length > 1) return this.#single(sent);
    const e = sent[0] ?? this.#out.get(f.ref), err = new ChatError(f);
    if (e && !e.given) {
      if (f.retry) this.#again(e, (f.retry_after_ms ?? 0) + this.#o.random() * 500);
      else this.#give(e, err);
      return;
    }
    if (e) this.#out.delete(e.id);
    const s = this.#syncs.get(f.ref);
    if (s && f.retry) return this.#rearm(f.ref, s, (f.retry_after_ms ?? 0) + 500);
    if (s && f.room_id) return this.#lost(f.room_id, f.ref);
    if (s) this.#syncs.delete(f.ref);
    this.#emit('error', err);
  }

  #single(sent) { // send them again one at a time: the next refusal has one owner
    sent.forEach((e) => { clearTimeout(e.timers[1]); e.sent = false; this.#suspects.add(e.id); });
    for (const e of sent) this.#pump(e.room);
  }

  #next(e) { // e is done: its room goes on, and all rooms where they waited for it
    const waited = this.#suspects.size > 0;
    this.#suspects.delete(e.id);
    for (const room of waited ? [...this.#queues.keys()] : [e.room]) this.#pump(room);
  }

  #settle(e, ack) {
    this.#take(e);
    this.#out.delete(e.id);
    e.resolve(ack);
    this.#next(e);
  }

  #give(e, err) { // a late ack may still come: keep what it confirms until the connection ends
    if (e.given) return;
    this.#take(e);
    e.given = true;
    if (!e.sent) this.#out.delete(e.id);
    e.reject(err);
    this.#next(e);
  }

  #take(e) {
    e.timers.forEach(clearTimeout);
    const rest = (this.#queues.get(e.room) ?? []).filter((x) => x !== e);
    if (rest.length) this.#queues.set(e.room, rest); else this.#queues.delete(e.room);
  }

  // ---- order and gaps

  #track(id, seq, epoch) {
    if (!this.#rooms.has(id)) this.#rooms.set(id, { id, high: seq, top: seq, epoch, held: new Map(), syncing: false, stale: false });
    return this.#rooms.get(id);
  }

  #forget(id) { this.#rooms.delete(id); this.#wants.delete(id); this.#reads.delete(id); }

  #seen(room) { // a room as welcome or joined shows it
    const r = this.#track(room.id, room.last_seq, room.epoch);
    if (r.epoch !== undefined && r.epoch !== room.epoch || r.stale) return this.#resync(r, room.epoch);
    r.epoch = room.epoch;
    r.top = Math.max(r.top, room.last_seq);
    if (room.last_seq !== r.high || r.top > r.high) this.#want(r);
  }

  #heads(f) {
    for (const [id, last] of Object.entries(f.rooms)) {
      const r = this.#rooms.get(Number(id));
      if (!r || last <= r.high) continue;
      r.top = Math.max(r.top, last);
      this.#want(r);
    }
    if (f.type) this.#emit('head', withoutType(f));
  }

  #place(m) {
    const r = this.#track(m.room_id, m.seq - 1), e = m.client_msg_id && this.#out.get(m.client_msg_id);
    if (e && e.room === m.room_id && e.content === m.content && m.sender_id === this.#me) {
      this.#settle(e, { room_id: m.room_id, seq: m.seq, id: m.id, client_msg_id: e.id, created_at: m.created_at, duplicate: true });
    }
    if (m.seq <= r.high) return; // a repeat
    r.top = Math.max(r.top, m.seq);
    if (r.held.size < HELD_PER_ROOM) r.held.set(m.seq, m);
    this.#drain(r);
  }

  #drain(r) {
    if (r.stale) return;
    for (const seq of r.held.keys()) if (seq <= r.high) r.held.delete(seq);
    for (let m; (m = r.held.get(r.high + 1)); ) {
      r.held.delete(++r.high);
      this.#emit('message', m);
    }
    if (r.top > r.high) this.#want(r);
  }

  #want(r) {
    if (r.syncing || r.stale) return;
    this.#wants.add(r.id);
    if (!this.#timers.sync) this.#timer('sync', 20, () => this.#askSync());
  }

  #askSync() {
    while (this.#wants.size && this.#state === 'online') {
      const ref = `s${++this.#refs}`, rooms = {}, ids = [...this.#wants].slice(0, this.#limits.sync_rooms || 100);
      for (const id of ids) {
        this.#wants.delete(id);
        const r = this.#rooms.get(id);
        if (!r) continue;
        rooms[id] = r.epoch === undefined ? r.high : { seq: r.high, epoch: r.epoch };
        r.syncing = true;
        r.asked = r.high;
      }
      if (!Object.keys(rooms).length) continue;
      const s = { left: new Set(Object.keys(rooms).map(Number)) };
      this.#syncs.set(ref, s);
      this.#rearm(ref, s, SYNC_MS);
      this.#transmit({ type: 'sync', rooms, ref });
    }
  }

  #rearm(ref, s, ms) {
    clearTimeout(s.timer);
    s.timer = setTimeout(() => {
      this.#syncs.delete(ref);
      for (const id of s.left) this.#retry(id);
    }, ms);
  }

  #retry(id) {
    const r = this.#rooms.get(id);
    if (!r) return;
    r.syncing = false;
    this.#want(r);
  }

  #answered(roomId, ref) {
    const s = this.#syncs.get(ref);
    if (!s) return;
    s.left.delete(roomId);
    if (s.left.size) return;
    clearTimeout(s.timer);
    this.#syncs.delete(ref);
  }

  #lost(roomId, ref) { // the room is not there for this user any more
    this.#answered(roomId, ref);
    this.#forget(roomId);
    this.#emit('left', { room_id: roomId, reason: 'gone' });
  }

  #synced(f) { // everything up to to_seq that this user may see has come
    this.#answered(f.room_id, f.ref);
    const r = this.#rooms.get(f.room_id);
    if (!r || r.stale) return;
    Object.assign(r, { syncing: false, epoch: f.epoch, top: Math.max(r.top, f.last_seq) });
    for (const seq of [...r.held.keys()].filter((n) => n > r.high && n <= f.to_seq).sort((a, b) => a - b)) {
      r.high = seq;
      this.#emit('message', r.held.get(seq));
    }
    r.high = Math.max(r.high, f.to_seq);
    if (r.high === r.asked && r.top > r.high && !r.held.has(r.high + 1)) { // the answer is older than the gap: ask a little later
      r.syncing = true;
      setTimeout(() => this.#retry(r.id), SYNC_AGAIN_MS);
    }
    this.#drain(r);
  }

  #resync(r, epoch) {
    for (const ref of [...this.#syncs.keys()]) this.#answered(r.id, ref);
    Object.assign(r, { stale: true, syncing: false, epoch, top: 0 });
    r.held.clear();
    this.#emit('resync', { room_id: r.id, epoch });
  }

  // ---- small parts

  #set(state, more = {}) { this.#state = state; this.#emit('state', { state, ...more }); }

  #emit(type, detail) { for (const fn of [...(this.#handlers.get(type) ?? [])]) fn(detail); }

  #timer(name, ms, fn) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(() => { delete this.#timers[name]; fn(); }, ms);
  }

  #clear(name) { clearTimeout(this.#timers[name]); delete this.#timers[name]; }
}
