// node --test web/
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Changes } from './chat-changes.js';

/** Changes on fake time; `sent` is what went, while `up`. */
function rig(t, limits = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const r = { sent: [], up: true, ended: [] };
  r.changes = new Changes({ transmit: (f) => { if (r.up) r.sent.push(f); return r.up; }, limits: () => limits, random: () => 0, timeoutMs: 60_000 });
  r.ask = (id, type = 'edit', fields = { content: id }, seq = 3) => r.changes.ask(type, 7, seq, fields, id)
    .then((f) => r.ended.push(`${id} done #${f.change_seq}`), (err) => r.ended.push(`${id} ${err.code}${err.retry ? ' again' : ''}`));
  r.done = (id, change_seq = 1) => r.changes.done({ change_id: id, room_id: 7, seq: 3, change_seq, version: 2 });
  r.ids = () => r.sent.map((f) => f.change_id);
  r.tick = async (ms) => { t.mock.timers.tick(ms); for (let i = 0; i < 5; i++) await null; };
  return r;
}

test('a change is asked for under its id until it is done, over silence and reconnects', async (t) => {
  const r = rig(t);
  r.up = false;
  r.ask('a');
  assert.deepEqual(r.sent, []);
  r.up = true;
  r.changes.online();
  assert.deepEqual(r.sent, [{ type: 'edit', room_id: 7, seq: 3, change_id: 'a', content: 'a' }]);
  await r.tick(10_000); // no answer
  r.changes.offline();
  r.changes.online();
  assert.deepEqual(r.ids(), ['a', 'a', 'a']);
  r.done('b');
  r.done('a', 5);
  r.done('a', 6);
  await r.tick(60_000);
  assert.deepEqual([r.ended, r.ids().length], [['a done #5'], 3]);
});

test('of one message one change is under way at a time, in their order; other messages don\'t wait', async (t) => {
  const r = rig(t);
  r.ask('on', 'react', { key: '+', on: true });
  r.ask('off', 'react', { key: '+', on: false });
  r.ask('other', 'recall', {}, 4);
  assert.deepEqual(r.ids(), ['on', 'other']);
  assert.equal(r.changes.refused({ ref: 'on', code: 'rate_limited', retry: true, retry_after_ms: 900 }), true);
  await r.tick(899);
  assert.deepEqual(r.ids(), ['on', 'other']);
  await r.tick(1);
  r.done('on');
  assert.deepEqual(r.ids(), ['on', 'other', 'on', 'off']);
  r.done('off');
  r.done('other');
  await r.tick(0);
  assert.deepEqual(r.ended, ['on done #1', 'off done #1', 'other done #1']);
});

test('a refusal for good ends a change, and the next one goes; what isn\'t about a change is somebody else\'s', async (t) => {
  const r = rig(t);
  r.ask('a');
  r.ask('b');
  assert.equal(r.changes.refused({ ref: 'c', code: 'forbidden' }), false);
  assert.equal(r.changes.refused({ ref: 'message', code: 'invalid' }), false);
  assert.equal(r.changes.refused({ ref: 'pin', code: 'invalid' }), false);
  r.changes.refused({ ref: 'a', code: 'forbidden' });
  assert.deepEqual(r.ids(), ['a', 'b']);
  assert.equal(r.changes.refused({ ref: 'edit', code: 'unknown_type' }), true); // its id was not read
  await r.tick(0);
  assert.deepEqual(r.ended, ['a forbidden', 'b unknown_type']);
});

test('what is too large is not sent: the service would close the connection', async (t) => {
  const r = rig(t, { message_bytes: 10, frame_bytes: 200 });
  r.ask('a', 'edit', { content: 'x'.repeat(11) });
  r.ask('b', 'react', { key: 'k'.repeat(200), on: true });
  await r.tick(0);
  assert.deepEqual([r.ended, r.sent], [['a too_large', 'b too_large'], []]);
});

test('the same id again is the same change; time and the end of the client end it, to be asked for again', async (t) => {
  const r = rig(t);
  r.ask('a');
  r.ask('a');
  assert.deepEqual(r.ids(), ['a']);
  for (let i = 0; i < 6; i++) await r.tick(10_000);
  r.ask('b');
  r.changes.stop();
  await r.tick(0);
  assert.deepEqual(r.ended, ['a timeout again', 'a timeout again', 'b stopped again']);
  assert.equal(r.sent.filter((f) => f.change_id === 'a').length, 6);
});
