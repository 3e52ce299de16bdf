// node --test web/
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatApi, ChatClient, ChatError, memoryStore, newId, stops } from './chat-client.js';

/** A socket whose other end is the test. */
class FakeSocket {
  static made = [];
  constructor(url) { this.url = url; this.readyState = 0; this.sent = []; this.texts = []; FakeSocket.made.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); this.texts.push(text); }
  close(code) { this.readyState = 3; this.closedWith = code; }
  open() { this.readyState = 1; this.onopen?.(); }
  say(frame) { this.onmessage?.({ data: JSON.stringify(frame) }); }
  fall(code, reason = '') { this.readyState = 3; this.onclose?.({ code, reason }); }
  of(type) { return this.sent.filter((f) => f.type === type); }
}

const settle = async () => { for (let i = 0; i < 10; i++) await new Promise((r) => setImmediate(r)); };
const room = (id, last_seq, epoch = 1) => ({ id, type: 'group', last_seq, epoch, read_seq: 0, unread: 0 });
const welcome = (...rooms) => ({ type: 'welcome', session_id: 's', user: { id: 1, username: 'ada' }, server_time: '', ping_interval_ms: 25000,
  limits: { message_bytes: 16384, frame_bytes: 65536, sync_rooms: 100, watch: 200 }, rooms });
const msg = (seq, more = {}) => ({ type: 'message', room_id: 7, seq, id: `7:${seq}`, kind: 'text', sender_id: 2, content: `m${seq}`, created_at: '', ...more });
const synced = (from_seq, to_seq, last_seq, more = {}) => ({ type: 'synced', room_id: 7, epoch: 1, from_seq, to_seq, last_seq, more: to_seq < last_seq, ...more });

/** A client on fake time and fake sockets; `seqs` collects what the application sees of room 7. */
async function rig(t, o = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  FakeSocket.made = [];
  const seqs = [], states = [], tokens = [];
  const chat = new ChatClient({ url: 'ws://x/ws', WebSocket: FakeSocket, random: () => 0.5,
    token: async (stale) => { tokens.push(stale); return stale ? 'new' : 'tok'; }, ...o });
  chat.on('message', (m) => seqs.push(m.seq));
  chat.on('state', (s) => states.push(s));
  t.after(() => chat.stop());
  const tick = async (ms) => { t.mock.timers.tick(ms); await settle(); };
  const last = () => FakeSocket.made.at(-1);
  const online = async (...rooms) => { await settle(); last().open(); last().say(welcome(...rooms)); await settle(); return last(); };
  chat.start();
  return { chat, seqs, states, tokens, tick, last, online };
}

test('close codes: 4000–4499 and restarts come back, the rest stops', () => {
  for (const c of [1000, 1001, 1006, 1011, 1012, 1013, 4000, 4001, 4006, 4499]) assert.equal(stops(c), false, c);
  for (const c of [1002, 1003, 1007, 1008, 1009, 4500, 4503, 4505, 4999]) assert.equal(stops(c), true, c);
});

test('ids fit the protocol', () => {
  assert.match(newId(), /^[0-9a-f]{32}$/);
  assert.notEqual(newId(), newId());
});

test('the token goes in the first frame, never in the URL', async (t) => {
  const r = await rig(t);
  const ws = await r.online();
  assert.equal(ws.url, 'ws://x/ws');
  assert.deepEqual(ws.sent[0], { type: 'auth', token: 'tok' });
  assert.equal(r.chat.state, 'online');
});

test('a send resolves with the ack and shows up once', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  const p = r.chat.send(7, 'hi', 'a');
  assert.deepEqual(ws.of('message'), [{ type: 'message', room_id: 7, content: 'hi', client_msg_id: 'a' }]);
  ws.say({ type: 'ack', client_msg_id: 'a', room_id: 7, seq: 1, id: '7:1', created_at: 'x', duplicate: false });
  assert.equal((await p).seq, 1);
  assert.deepEqual(r.seqs, [1]);
  ws.say(msg(1, { sender_id: 1, client_msg_id: 'a', content: 'hi' }));
  assert.deepEqual(r.seqs, [1]);
});

test('one message per room is under way; rooms do not wait for each other', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0), room(8, 0));
  r.chat.send(7, 'one', 'a'); r.chat.send(7, 'two', 'b').catch(() => {}); r.chat.send(8, 'other', 'c').catch(() => {});
  assert.deepEqual(ws.of('message').map((f) => f.client_msg_id), ['a', 'c']);
  ws.say({ type: 'ack', client_msg_id: 'a', room_id: 7, seq: 1, id: '7:1', created_at: '', duplicate: false });
  assert.deepEqual(ws.of('message').map((f) => f.client_msg_id), ['a', 'c', 'b']);
});

test('an unacknowledged send is repeated with its id after a reconnect', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  const p = r.chat.send(7, 'hi', 'a');
  ws.fall(1006);
  await r.tick(500);
  const ws2 = await r.online(room(7, 0));
  assert.notEqual(ws2, ws);
  assert.deepEqual(ws2.of('message').map((f) => f.client_msg_id), ['a']);
  ws2.say({ type: 'ack', client_msg_id: 'a', room_id: 7, seq: 1, id: '7:1', created_at: '', duplicate: true });
  assert.equal((await p).duplicate, true);
  assert.deepEqual(r.seqs, [1]);
});

test('a message that was stored before the cut comes back by sync and settles its send', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  const p = r.chat.send(7, 'hi', 'a');
  ws.fall(1006);
  await r.tick(500);
  const ws2 = await r.online(room(7, 1));
  await r.tick(20);
  ws2.say(msg(1, { sender_id: 1, client_msg_id: 'a', content: 'hi' }));
  ws2.say(synced(1, 1, 1, { ref: ws2.of('sync')[0].ref }));
  assert.equal((await p).seq, 1);
  ws2.say({ type: 'ack', client_msg_id: 'a', room_id: 7, seq: 1, id: '7:1', created_at: '', duplicate: true });
  assert.deepEqual(r.seqs, [1]);
});

test('a refusal with retry is repeated after its time, one without rejects', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  const p = r.chat.send(7, 'hi', 'a');
  ws.say({ type: 'error', code: 'unavailable', message: '', ref: 'a', retry: true, retry_after_ms: 1000 });
  await r.tick(1000);
  assert.equal(ws.of('message').length, 1);
  await r.tick(300);
  assert.equal(ws.of('message').length, 2);
  ws.say({ type: 'error', code: 'muted', message: 'muted', ref: 'a', retry: false });
  await assert.rejects(p, (e) => e instanceof ChatError && e.code === 'muted' && !e.retry);
});

test('silence after a send repeats it; in the end it is given up, and a late ack still counts', async (t) => {
  const r = await rig(t, { sendTimeoutMs: 15000 });
  const ws = await r.online(room(7, 0));
  const p = r.chat.send(7, 'hi', 'a');
  p.catch(() => {});
  await r.tick(10000);
  assert.equal(ws.of('message').length, 2);
  await r.tick(5000);
  await assert.rejects(p, { code: 'timeout', retry: true });
  ws.say({ type: 'ack', client_msg_id: 'a', room_id: 7, seq: 1, id: '7:1', created_at: '', duplicate: false });
  assert.deepEqual(r.seqs, [1]);
});

for (const [what, content] of [['bytes', 'é'.repeat(8193)], ['bytes as JSON', '\u0001'.repeat(16_384)]]) {
  test(`a text that is too long by its ${what} is refused here: it alone, and never sent`, async (t) => {
    const r = await rig(t);
    const early = r.chat.send(7, content, 'early'); // before the limits are known
    early.catch(() => {});
    const ws = await r.online(room(7, 0));
    await assert.rejects(early, { code: 'too_large', retry: false });
    const late = r.chat.send(7, content, 'late'), next = r.chat.send(7, 'short', 'next');
    await assert.rejects(late, { code: 'too_large', retry: false });
    assert.deepEqual(ws.of('message').map((f) => f.client_msg_id), ['next']);
    ws.say({ type: 'ack', client_msg_id: 'next', room_id: 7, seq: 1, id: '7:1', created_at: '', duplicate: false });
    assert.equal((await next).seq, 1);
    assert.equal(r.chat.tooLarge('é'.repeat(8192)), false);
  });
}

test('text goes out well-formed, with the id before it', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  const p = r.chat.send(7, 'half \ud83d, whole \ud83d\ude00', 'a');
  const text = ws.texts.at(-1);
  assert.doesNotMatch(text, /\\ud83d/);
  assert.equal(ws.of('message')[0].content, 'half \ufffd, whole 😀');
  assert.ok(text.indexOf('client_msg_id') < text.indexOf('content'), text);
  ws.say(msg(1, { sender_id: 1, client_msg_id: 'a', content: 'half \ufffd, whole 😀' }));
  assert.equal((await p).seq, 1);
});

test('a refusal without the id fails the one message that is under way; the next one goes', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  const p = r.chat.send(7, 'bad', 'a');
  r.chat.send(7, 'good', 'b').catch(() => {});
  ws.say({ type: 'error', code: 'invalid', message: 'malformed', ref: 'message', retry: false });
  await assert.rejects(p, { code: 'invalid' });
  assert.deepEqual(ws.of('message').map((f) => f.client_msg_id), ['a', 'b']);
});

test('a refusal without the id among several: they go again one by one, and only the bad one fails', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0), room(8, 0), room(9, 0));
  const ack = (id, room_id) => ws.say({ type: 'ack', client_msg_id: id, room_id, seq: 1, id: `${room_id}:1`, created_at: '', duplicate: false });
  const a = r.chat.send(7, 'good', 'a'), b = r.chat.send(8, 'bad', 'b');
  b.catch(() => {});
  ws.say({ type: 'error', code: 'invalid', message: 'malformed', ref: 'message', retry: false });
  const c = r.chat.send(9, 'good', 'c');
  assert.deepEqual(ws.of('message').map((f) => f.client_msg_id), ['a', 'b', 'a']);
  ack('a', 7);
  assert.equal((await a).seq, 1);
  assert.equal(ws.of('message').at(-1).client_msg_id, 'b');
  ws.say({ type: 'error', code: 'invalid', message: 'malformed', ref: 'message', retry: false });
  await assert.rejects(b, { code: 'invalid' });
  assert.equal(ws.of('message').at(-1).client_msg_id, 'c');
  ack('c', 9);
  assert.equal((await c).seq, 1);
});

test('a token that never comes is asked for again, by itself and by wake()', async (t) => {
  let asked = 0;
  const r = await rig(t, { token: () => { asked++; return new Promise(() => {}); } });
  await r.tick(4000);
  r.chat.wake();
  assert.equal(asked, 1); // that try is young
  await r.tick(2000);
  r.chat.wake();
  assert.equal(asked, 2);
  await r.tick(45_000);
  assert.equal(r.chat.state, 'waiting');
  await r.tick(500);
  assert.deepEqual([asked, r.chat.state], [3, 'connecting']);
});

test('a token that comes after its try was given up opens nothing', async (t) => {
  const late = [];
  const r = await rig(t, { token: () => new Promise((resolve) => late.push(resolve)) });
  await r.tick(6000);
  r.chat.wake();
  await settle();
  late[0]('old');
  await settle();
  assert.equal(FakeSocket.made.length, 0);
  late[1]('new');
  await settle();
  r.last().open();
  assert.deepEqual(FakeSocket.made.map((s) => s.sent[0].token), ['new']);
});

test('repeats are ignored, a gap is held, fetched once and delivered in order', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 2));
  ws.say(msg(3)); ws.say(msg(3)); ws.say(msg(1));
  ws.say(msg(6)); ws.say(msg(7));
  assert.deepEqual(r.seqs, [3]);
  await r.tick(20);
  const asked = ws.of('sync');
  assert.equal(asked.length, 1);
  assert.deepEqual(asked[0].rooms, { 7: { seq: 3, epoch: 1 } });
  ws.say(msg(4)); ws.say(msg(5)); ws.say(msg(6)); ws.say(msg(7));
  ws.say(synced(4, 7, 7, { ref: asked[0].ref }));
  assert.deepEqual(r.seqs, [3, 4, 5, 6, 7]);
  await r.tick(1000);
  assert.equal(ws.of('sync').length, 1);
});

test('head above what we have asks for the rest; synced with more asks again', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  ws.say({ type: 'head', rooms: { 7: 4, 99: 5 } });
  await r.tick(20);
  ws.say(msg(1)); ws.say(msg(2)); ws.say(synced(1, 2, 4, { ref: ws.of('sync')[0].ref }));
  await r.tick(20);
  assert.deepEqual(ws.of('sync')[1].rooms, { 7: { seq: 2, epoch: 1 } });
  ws.say(msg(3)); ws.say(msg(4)); ws.say(synced(3, 4, 4, { ref: ws.of('sync')[1].ref }));
  assert.deepEqual(r.seqs, [1, 2, 3, 4]);
  assert.equal(r.chat.seqOf(7), 4);
});

test('seqs that the user may not see do not stop the room', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  ws.say(msg(12));
  await r.tick(20);
  ws.say(msg(11)); ws.say(msg(12)); ws.say(synced(11, 12, 12, { ref: ws.of('sync')[0].ref }));
  assert.deepEqual(r.seqs, [11, 12]);
  assert.equal(r.chat.seqOf(7), 12);
});

test('a synced that is older than the gap is asked again, not at once', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  ws.say(msg(2));
  await r.tick(20);
  ws.say(synced(1, 0, 0, { ref: ws.of('sync')[0].ref }));
  await r.tick(100);
  assert.equal(ws.of('sync').length, 1);
  await r.tick(500);
  await r.tick(20);
  assert.equal(ws.of('sync').length, 2);
});

test('welcome after a reconnect: what was missed is fetched, another epoch is a resync', async (t) => {
  const r = await rig(t);
  const resyncs = [];
  r.chat.on('resync', (x) => resyncs.push(x));
  const ws = await r.online(room(7, 5), room(8, 1));
  ws.fall(1012);
  await r.tick(500);
  const ws2 = await r.online(room(7, 8), room(8, 1, 2));
  await r.tick(20);
  assert.deepEqual(ws2.of('sync')[0].rooms, { 7: { seq: 5, epoch: 1 } });
  assert.deepEqual(resyncs, [{ room_id: 8, epoch: 2 }]);
});

test('after resync the room waits for reset, then goes on without a hole', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 5));
  ws.say({ type: 'resync', room_id: 7, epoch: 2 });
  ws.say(msg(8)); ws.say(msg(9));
  assert.deepEqual(r.seqs, []);
  r.chat.reset(7, 8, 2);
  assert.deepEqual(r.seqs, [9]);
  await r.tick(1000);
  assert.equal(ws.of('sync').length, 0);
});

test('a room that sync does not find any more is left, the others go on', async (t) => {
  const r = await rig(t);
  const lefts = [];
  r.chat.on('left', (x) => lefts.push(x));
  const ws = await r.online(room(7, 0), room(8, 0));
  ws.say({ type: 'head', rooms: { 7: 1, 8: 1 } });
  await r.tick(20);
  const { ref } = ws.of('sync')[0];
  ws.say({ type: 'error', code: 'not_found', message: '', ref, retry: false, room_id: 8 });
  ws.say(msg(1)); ws.say(synced(1, 1, 1, { ref }));
  assert.deepEqual(lefts, [{ room_id: 8, reason: 'gone' }]);
  assert.deepEqual([r.seqs, r.chat.seqOf(7), r.chat.seqOf(8)], [[1], 1, undefined]);
});

test('a sync that the server could not answer is asked again a little later', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  ws.say(msg(2));
  await r.tick(20);
  ws.say({ type: 'error', code: 'unavailable', message: '', ref: ws.of('sync')[0].ref, retry: true, retry_after_ms: 500 });
  await r.tick(900);
  assert.equal(ws.of('sync').length, 1);
  await r.tick(100);
  await r.tick(20);
  assert.equal(ws.of('sync').length, 2);
});

test('a sync that nobody answers is asked again', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  ws.say(msg(2));
  await r.tick(20);
  await r.tick(15000);
  await r.tick(20);
  assert.equal(ws.of('sync').length, 2);
});

test('backoff grows, is jittered, keeps retry_after_ms, and wake() shortens only what the client chose', async (t) => {
  const r = await rig(t);
  (await r.online()).fall(4004, '{"code":4004,"retry_after_ms":3000}');
  assert.deepEqual(r.states.at(-1), { state: 'waiting', code: 4004, in_ms: 3250 });
  r.chat.wake();
  await r.tick(2900);
  assert.equal(FakeSocket.made.length, 1);
  await r.tick(100);
  assert.equal(FakeSocket.made.length, 2);
  for (const [i, in_ms] of [500, 1000, 2000, 4000, 8000, 12500, 12500].entries()) {
    r.last().fall(1006);
    assert.equal(r.states.at(-1).in_ms, in_ms, `try ${i}`);
    r.chat.wake();
    await r.tick(0);
  }
});

test('a token that expired is renewed, other stop codes end it', async (t) => {
  const r = await rig(t);
  (await r.online()).fall(4001);
  await r.tick(500);
  assert.deepEqual(r.tokens, [undefined, 'tok']);
  const ws2 = await r.online();
  assert.equal(ws2.sent[0].token, 'new');
  const p = r.chat.send(7, 'hi');
  ws2.fall(4502, '{"code":4502}');
  await assert.rejects(p, { code: 'stopped' });
  assert.deepEqual(r.states.at(-1), { state: 'stopped', code: 4502 });
  await r.tick(60000);
  assert.equal(FakeSocket.made.length, 2);
});

test('goaway: connect again after its time, and not before', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 1));
  ws.say({ type: 'goaway', after_ms: 5000, reason: 'drain' });
  await r.tick(4000);
  assert.equal(r.chat.state, 'online');
  await r.tick(1600);
  assert.equal(ws.closedWith, 1000);
  const ws2 = await r.online(room(7, 2));
  await r.tick(20);
  assert.equal(ws2.of('sync').length, 1);
});

test('a silent line is probed, then dropped', async (t) => {
  const r = await rig(t);
  const ws = await r.online();
  await r.tick(25000);
  assert.equal(ws.of('ping').length, 1);
  ws.say({ type: 'pong' });
  await r.tick(25000);
  await r.tick(10000);
  assert.equal(r.chat.state, 'waiting');
});

test('reads merge to the highest and survive a cut; the watch list is told again', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 9));
  r.chat.watch([2, 3, 2]);
  r.chat.read(7, 4); r.chat.read(7, 6); r.chat.read(7, 5);
  await r.tick(250);
  assert.deepEqual(ws.of('read'), [{ type: 'read', room_id: 7, seq: 6 }]);
  r.chat.read(7, 8);
  ws.fall(1006);
  await r.tick(500);
  const ws2 = await r.online(room(7, 9));
  assert.deepEqual(ws2.of('read'), [{ type: 'read', room_id: 7, seq: 8 }]);
  assert.deepEqual(ws2.of('presence'), [{ type: 'presence', user_ids: [2, 3] }]);
});

test('frames that are newer than the client are ignored', async (t) => {
  const r = await rig(t);
  const ws = await r.online(room(7, 0));
  ws.say({ type: 'hologram', room_id: 7 });
  ws.onmessage({ data: 'not json' });
  ws.say(msg(1, { shiny: true }));
  assert.deepEqual(r.seqs, [1]);
});

test('api: an expired token is renewed once for all callers, a refused renewal ends the session', async () => {
  const calls = [];
  let refusal = false, valid = 'a1';
  const reply = (status, data) => ({ ok: status < 400, status, headers: new Map(), text: async () => JSON.stringify(data) });
  const fetch = async (url, { headers, body }) => {
    calls.push(url);
    if (url.endsWith('/auth/login')) return reply(200, { access_token: 'a1', refresh_token: 'r1', expires_in: 60, user: { id: 1 } });
    if (url.endsWith('/auth/refresh')) {
      if (refusal) return reply(401, { code: 'unauthenticated' });
      assert.equal(JSON.parse(body).refresh_token, 'r1');
      return reply(200, { access_token: (valid = 'a2'), refresh_token: 'r2', expires_in: 60, user: { id: 1 } });
    }
    return headers.Authorization === `Bearer ${valid}` ? reply(200, { ok: true }) : reply(401, { code: 'token_expired' });
  };
  const store = memoryStore();
  const api = new ChatApi({ base: '', store, fetch });
  await api.login('ada', 'x');
  valid = 'a2';
  const both = await Promise.all([api.call('GET', '/me'), api.call('GET', '/rooms')]);
  assert.deepEqual(both, [{ ok: true }, { ok: true }]);
  assert.equal(calls.filter((u) => u === '/auth/refresh').length, 1);
  assert.equal(api.session.refresh_token, 'r2');
  refusal = true; valid = 'a3';
  await assert.rejects(api.call('GET', '/me'), { code: 'unauthenticated', status: 401 });
  assert.equal(store.load(), null);
});

test('api: a call, a body and a renewal that never end are given up, and the next ones work', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const tick = async (ms) => { t.mock.timers.tick(ms); await settle(); };
  const never = new Promise(() => {}), signals = [];
  let hang = 'head';
  const reply = (data) => ({ ok: true, status: 200, headers: new Map(), text: async () => (hang === 'body' ? never : JSON.stringify(data)) });
  const fetch = async (url, { signal }) => {
    signals.push(signal);
    if (hang === 'head') return never;
    return reply({ access_token: `a${signals.length}`, refresh_token: 'r', expires_in: 60, user: { id: 1 } });
  };
  const store = memoryStore();
  store.save({ access_token: 'a', refresh_token: 'r', expires_at: Date.now() + 3_600_000, user: { id: 1 } });
  const api = new ChatApi({ base: '', store, fetch, timeoutMs: 10_000 });
  for (hang of ['head', 'body']) {
    const call = api.call('GET', '/me');
    call.catch(() => {});
    await settle();
    await tick(10_000);
    await assert.rejects(call, { code: 'timeout', retry: true });
    assert.equal(signals.at(-1).aborted, true);
  }
  hang = 'head';
  const renewal = api.token('a');
  renewal.catch(() => {});
  await settle();
  await tick(10_000);
  await assert.rejects(renewal, { code: 'timeout', retry: true });
  hang = '';
  assert.match(await api.token('a'), /^a\d$/);
});

test('api: a lock that another tab never gives back is waited for a while only', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const store = memoryStore();
  store.save({ access_token: 'a', refresh_token: 'r', expires_at: 0, user: { id: 1 } });
  const api = new ChatApi({ base: '', store, lock: () => new Promise(() => {}), timeoutMs: 10_000 });
  const token = api.token();
  token.catch(() => {});
  await settle();
  t.mock.timers.tick(20_000);
  await assert.rejects(token, { code: 'timeout', retry: true });
});

test('api: texts go out well-formed', async () => {
  let sent = '';
  const fetch = async (_, { body }) => { sent = body; return { ok: true, status: 200, headers: new Map(), text: async () => '' }; };
  await new ChatApi({ base: '', fetch }).register({ username: 'ada', nickname: 'Ada \ud83d' });
  assert.equal(JSON.parse(sent).nickname, 'Ada \ufffd');
});
