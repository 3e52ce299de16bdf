// node --test web/
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, count, dayName, keysOf, languages, setLanguage, t as word } from './i18n.js';
import { Model } from './model.js';

const me = { id: 1, username: 'ada' };
const listed = (more = {}) => ({ id: 7, type: 'group', name: 'r', last_seq: 3, epoch: 1, unread: 2, read_seq: 1, member_count: 2, created_at: '2026-01-01T00:00:00.000Z', ...more });
const m = (seq, more = {}) => ({ room_id: 7, seq, kind: 'text', sender_id: 2, content: 'x', created_at: '2026-01-02T00:00:00.000Z', ...more });

test('unread: counted once, not for own or system messages', () => {
  const model = new Model(me);
  const r = model.put(listed());
  model.add(m(3)); // is in the listed number already
  assert.equal(r.unread, 2);
  model.add(m(4)); model.add(m(4)); model.add(m(5, { kind: 'system', content: '{}' }));
  assert.equal(r.unread, 3);
  model.add(m(6, { sender_id: 1 }));
  assert.equal(r.unread, 0);
  assert.equal(r.read_seq, 6);
});

test('read frames of mine move the badge, of others the ticks, never backwards', () => {
  const model = new Model(me);
  const r = model.put(listed());
  model.read({ room_id: 7, user_id: 1, seq: 3, unread: 0 });
  model.read({ room_id: 7, user_id: 1, seq: 2, unread: 1 });
  assert.deepEqual([r.read_seq, r.unread], [3, 0]);
  model.read({ room_id: 7, user_id: 2, seq: 3 }); model.read({ room_id: 7, user_id: 2, seq: 1 });
  assert.equal(r.peerRead.get(2), 3);
});

test('changes: the newest state stays, whichever way it comes, and what was missed is told', () => {
  const model = new Model(me);
  const r = model.put(listed({ change_seq: 4, unread: 2 }));
  model.page(7, { messages: [m(1), m(2), m(3)], has_more: false }, true);
  const change = (change_seq, prev, message) => model.change({ room_id: 7, change_seq, prev, message: message && { ...message, change_seq } });
  assert.equal(change(5, 4, { seq: 2, content: 'y', edited_at: '2026-01-03T00:00:00.000Z', version: 2 }), false);
  assert.deepEqual([r.messages.get(2).content, r.messages.get(2).version, r.messages.get(2).sender_id], ['y', 2, 2]);
  assert.equal(change(5, 4, { seq: 2, content: 'again' }), false); // a repeat
  assert.equal(change(4, 3, { seq: 2, content: 'older' }), false);
  model.page(7, { messages: [m(2)], has_more: false }, false); // was read before the edit
  assert.equal(r.messages.get(2).content, 'y');
  assert.equal(change(6, 5, { seq: 3, content: '', recalled: { by: 2, at: '2026-01-03T00:00:00.000Z' } }), false);
  assert.deepEqual([r.messages.get(3).content, r.last_message.recalled.by, r.unread], ['', 2, 1]);
  assert.equal(change(9, 8, { seq: 1, reactions: [{ key: '👍', count: 1, user_ids: [2] }] }), true); // 7 and 8 were missed
  assert.equal(r.messages.get(1).reactions[0].count, 1);
  assert.equal(change(10, 9), false); // nothing that is seen here
  assert.equal(r.changed, 10);
  assert.deepEqual(model.outdated({ rooms: [{ id: 7, change_seq: 12 }, { id: 8, change_seq: 3 }] }), [7]);
  assert.deepEqual(model.outdated({ rooms: [{ id: 7, change_seq: 12 }] }), []);
});

test('one\'s own reactions: from pages, from those that are named, and from what one does; beyond the first ten what is known stays', () => {
  const model = new Model(me);
  const r = model.put(listed()), ten = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11], mine = () => r.messages.get(2).mine;
  const change = (change_seq, reactions) => model.change({ room_id: 7, change_seq, prev: change_seq - 1, message: { seq: 2, change_seq, reactions } });
  model.page(7, { messages: [m(2, { change_seq: 1, mine: ['b'], reactions: [{ key: 'b', count: 11, user_ids: ten }] })], has_more: false }, true);
  assert.deepEqual(mine(), ['b']);
  change(2, [{ key: 'b', count: 12, user_ids: ten }, { key: 'a', count: 1, user_ids: [1] }]);
  assert.deepEqual(mine(), ['b', 'a']);
  model.reacted(7, 2, 'c', true); model.reacted(7, 2, 'b', false); // is done, and not yet in the counts
  change(3, [{ key: 'b', count: 11, user_ids: ten }, { key: 'a', count: 1, user_ids: [2] }, { key: 'c', count: 11, user_ids: ten }]);
  assert.deepEqual(mine(), ['c']);
  model.mine({ room_id: 7, seq: 2, keys: ['b'] });
  model.page(7, { messages: [m(2, { change_seq: 3, reactions: [{ key: 'b', count: 11, user_ids: ten }] })], has_more: false }, true);
  assert.deepEqual(mine(), ['b']);
  change(4, []);
  assert.deepEqual(mine(), []);
});

test('what one may do with a message', () => {
  const model = new Model(me), plain = model.put(listed({ role: 'member' })), own = model.put(listed({ id: 8, role: 'admin' })), direct = model.put(listed({ id: 9, type: 'direct' }));
  const may = (r, x) => Object.entries(model.may(r, x)).filter(([, yes]) => yes).map(([what]) => what).join();
  assert.equal(may(plain, m(1)), ''); // no server can do it yet
  model.features = ['changes', 'data'];
  assert.equal(may(plain, m(1)), 'react,reply');
  assert.equal(may(plain, m(1, { sender_id: 1 })), 'react,reply,edit,recall');
  assert.equal(may(own, m(1)), 'react,reply,recall,pin');
  assert.equal(may(own, m(1, { pinned: {} })), 'react,reply,recall,unpin');
  assert.equal(may(direct, m(1)), 'react,reply,pin');
  assert.equal(may(own, m(1, { recalled: {}, pinned: {} })), 'unpin');
  assert.equal(may(own, m(1, { kind: 'system' })), '');
});

test('a change that failed waits to be tried again; another one of its kind takes its place', () => {
  const model = new Model(me), r = model.put(listed());
  model.begin(7, { id: 'a', kind: 'edit', seq: 2, content: 'x' }); model.begin(7, { id: 'b', kind: 'pin', seq: 2, on: true }); model.begin(7, { id: 'c', kind: 'edit', seq: 3 });
  model.refuse(7, 'a', 'no', true);
  model.end(7, 'b');
  assert.deepEqual(model.changesOf(r, 2), [{ id: 'a', kind: 'edit', seq: 2, content: 'x', state: 'failed', err: 'no', retry: true }]);
  model.begin(7, { id: 'd', kind: 'edit', seq: 2, content: 'y' });
  assert.deepEqual(model.changesOf(r, 2).map((c) => c.id), ['d']);
  assert.deepEqual(model.changesOf(r, 3).map((c) => c.state), ['pending']);
});

test('only the newest run without a hole is shown', () => {
  const model = new Model(me);
  const r = model.put(listed());
  model.page(7, { messages: [m(1), m(2)], has_more: false }, true);
  model.add(m(4)); model.add(m(5));
  assert.deepEqual(model.shown(r).list.map((x) => x.seq), [4, 5]);
  assert.equal(model.shown(r).hole, 4);
  model.page(7, { messages: [m(3)], has_more: true }, false);
  assert.deepEqual(model.shown(r).list.map((x) => x.seq), [1, 2, 3, 4, 5]);
  assert.deepEqual([model.shown(r).hole, r.hasOlder], [0, false]);
});

test('a pending message goes when it is committed, or fails and waits for a retry', () => {
  const model = new Model(me);
  const r = model.put(listed());
  model.pend(7, 'a', 'x'); model.pend(7, 'b', 'y');
  model.add(m(4, { sender_id: 1, client_msg_id: 'a' }));
  model.fail(7, 'b', 'no', true);
  assert.deepEqual([...r.pending.values()].map((p) => [p.id, p.state, p.retry]), [['b', 'failed', true]]);
});

test('welcome corrects numbers, drops rooms that are gone, names new ones', () => {
  const model = new Model(me);
  model.put(listed()); model.put(listed({ id: 8 }));
  const fresh = model.welcome({ rooms: [{ id: 7, last_seq: 9, read_seq: 9, unread: 0, epoch: 1 }, { id: 9, last_seq: 1, read_seq: 0, unread: 1, epoch: 1 }] });
  assert.deepEqual(fresh, [9]);
  assert.deepEqual([...model.rooms.keys()], [7]);
  assert.equal(model.room(7).unread, 0);
});

test('typing ends by itself', () => {
  const model = new Model(me);
  const r = model.put(listed());
  model.typing({ room_id: 7, user_id: 2 }, 1000); model.typing({ room_id: 7, user_id: 1 }, 1000);
  assert.deepEqual(model.typers(r, 6999), [2]);
  assert.deepEqual(model.typers(r, 7000), []);
});

test('both languages have the same words', () => {
  for (const l of languages) assert.deepEqual(keysOf(l).sort(), keysOf('en').sort(), l);
  assert.equal(choose(['zh-TW', 'en']), 'zh');
  assert.equal(choose(['fr', 'zh-CN']), 'zh');
  assert.equal(choose(['fr']), 'en');
});

test('one is one', () => {
  const page = { documentElement: {}, querySelectorAll: () => [] };
  for (const [l, one, two] of [['en', '1 member', '2 members'], ['zh', '1 名成员', '2 名成员']]) {
    setLanguage(l, page);
    assert.deepEqual([count('memberCount', 1), count('memberCount', 2)], [one, two]);
  }
  setLanguage('en', page);
});

test('names keep their own direction inside a sentence', () => {
  assert.equal(word('sys_renamed', { by: 'ليلى', name: 'x' }), '\u2068ليلى\u2069 renamed the room to “\u2068x\u2069”');
});

test('days are today, yesterday, or named', () => {
  const now = new Date(2026, 2, 30, 0, 30); // in many countries the clock changed the day before
  assert.equal(dayName(new Date(2026, 2, 30, 0, 5), now), 'Today');
  assert.equal(dayName(new Date(2026, 2, 29, 0, 5), now), 'Yesterday');
  assert.match(dayName(new Date(2026, 2, 28, 23, 55), now), /28/);
  assert.equal(dayName('', now), '');
});
