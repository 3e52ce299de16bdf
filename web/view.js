/** Draws the model. All text goes in by textContent: what people write can never become markup. */

import { count, dayName, has, isolate, shortTime, t } from './i18n.js';

export const $ = (id) => document.getElementById(id);

/** Makes an element: properties, then children (elements or text; null is left out). */
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
    else if (k in el && k !== 'list') el[k] = v;
    else if (v !== undefined && v !== null) el.setAttribute(k, v);
  }
  el.append(...children.filter((c) => c !== null && c !== undefined));
  return el;
}

export function name(model, id) {
  const u = model.users.get(id);
  return u ? u.nickname || u.username : t('user', { id });
}

export function roomTitle(model, r) {
  if (r.peer) return r.peer.nickname || r.peer.username;
  return r.name || `#${r.id}`;
}

export function presenceOf(model, id) {
  const p = model.presence.get(id);
  if (!p || p.online === null || p.online === undefined) return 'unknown';
  return p.online ? 'online' : 'offline';
}

export function dot(model, id) {
  const el = h('span');
  setDot(el, model, id);
  return el;
}

function setDot(el, model, id) {
  const state = id ? presenceOf(model, id) : 'none';
  if (el.className === `dot ${state}` && el.title === (id ? t(state) : '')) return;
  el.className = `dot ${state}`;
  el.title = id ? t(state) : '';
  if (!id) return;
  el.setAttribute('role', 'img');
  el.setAttribute('aria-label', t(state));
}

/** A system message in words. Its content is a JSON object {event, by, user_ids, …}. */
export function systemText(model, m) {
  let c;
  try { c = JSON.parse(m.content); } catch { return m.content; }
  if (!c || typeof c !== 'object') return m.content;
  const users = (c.user_ids ?? []).map((id) => isolate(name(model, id))).join(', ');
  const key = has(`sys_${c.event}`) ? `sys_${c.event}` : 'sys_other';
  return t(key, { by: c.by ? name(model, c.by) : '', users, name: c.name ?? '', text: c.text ?? '', event: c.event ?? '' });
}

function preview(model, m) {
  if (!m) return '';
  if (m.kind === 'system') return systemText(model, m);
  return `${isolate(m.sender_id === model.me.id ? t('you') : name(model, m.sender_id))}: ${m.recalled ? t('recalled') : isolate(m.content)}`;
}

const rows = new Map(); // room id → its li
let rowsOf = null;

/**
 * The list of rooms; open is the id of the one that is shown. Each room keeps its element, so that what is pressed is what is opened.
 * While frozen the order stays, and new rooms come last.
 */
export function drawRooms(model, open, pick, frozen) {
  const list = $('rooms'), focused = document.activeElement;
  if (rowsOf !== model) { rows.clear(); list.replaceChildren(); rowsOf = model; }
  for (const [id, li] of rows) if (!model.rooms.has(id)) { li.remove(); rows.delete(id); }
  const sorted = model.sorted();
  for (const r of sorted) {
    if (!rows.has(r.id)) rows.set(r.id, list.appendChild(roomRow(model, r.id, pick)));
    rows.get(r.id).update(r, r.id === open);
  }
  if (!frozen) arrange(list, sorted.map((r) => rows.get(r.id)));
  if (focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
  $('no-rooms').hidden = model.rooms.size > 0;
  const total = [...model.rooms.values()].reduce((n, r) => n + r.unread, 0);
  document.title = total ? `(${total}) ${t('app')}` : t('app');
}

/** Puts a list's elements in order; those that stand right are not touched. */
function arrange(list, want) {
  want.forEach((el, i) => { if (list.children[i] !== el) list.insertBefore(el, list.children[i] ?? null); });
}

function roomRow(model, id, pick) {
  const state = h('span'), title = h('span', { className: 'name', dir: 'auto' }), badge = h('span', { className: 'badge', hidden: true }), last = h('span', { className: 'last' });
  const button = h('button', { type: 'button', 'data-id': id, onclick: () => pick(id) }, state, title, badge, last);
  const li = h('li', {}, button);
  li.update = (r, isOpen) => {
    setDot(state, model, r.peer?.id);
    write(title, roomTitle(model, r));
    write(badge, r.unread > 999 ? '999+' : String(r.unread));
    badge.setAttribute('aria-label', t('unread', { n: r.unread }));
    badge.hidden = r.unread === 0;
    write(last, preview(model, r.last_message));
    if (isOpen) button.setAttribute('aria-current', 'true'); else button.removeAttribute('aria-current');
  };
  return li;
}

export function drawHeader(model, r) {
  $('title').textContent = $('title').title = roomTitle(model, r);
  if (!r.peer) {
    $('subtitle').textContent = count('memberCount', r.member_count ?? '?');
    return;
  }
  const p = model.presence.get(r.peer.id), state = presenceOf(model, r.peer.id);
  $('subtitle').textContent = state === 'offline' && p.last_seen ? t('lastSeen', { t: shortTime(p.last_seen) }) : t(state);
}

export function drawTyping(model, r) {
  const who = model.typers(r, Date.now()).map((id) => name(model, id));
  $('typing').textContent = who.length === 0 ? '' : who.length === 1 ? t('typing1', { a: who[0] }) : who.length === 2 ? t('typing2', { a: who[0], b: who[1] }) : t('typingMany');
}

const items = new Map(); // key → li of the room that is shown
let itemsOf = 0;

/** Forgets drawn messages, after a change of language or login. */
export function clearMessages() {
  items.clear();
  itemsOf = 0;
  $('messages').replaceChildren();
}

/** Messages of the open room. Elements that stay are not touched, so that screen readers hear new ones only. */
export function drawMessages(model, r, { retry, edit, stick }) {
  const list = $('messages'), scroll = $('scroll');
  if (itemsOf !== r.id) { clearMessages(); itemsOf = r.id; }
  const atEnd = stick || pinned, height = scroll.scrollHeight, top = scroll.scrollTop, first = firstMessage();
  const want = wanted(model, r), keys = new Set(want.map(([key]) => key));
  for (const [key, li] of items) if (!keys.has(key)) { li.remove(); items.delete(key); }
  arrange(list, want.map(([key, what, make]) => {
    let li = items.get(key);
    if (!li) { li = make(model, r, what, { retry, edit }); items.set(key, li); }
    li.update(what);
    return li;
  }));
  $('older').hidden = !r.loaded || !r.hasOlder;
  if (atEnd) toEnd();
  else if (first !== firstMessage()) scroll.scrollTop = top + scroll.scrollHeight - height;
  drawNewest(r);
}

const firstMessage = () => $('messages').querySelector('li:not(.day):not(.new)');

/** What the list of messages shows, as [key, what, how to make it]: messages, a line per day, one before what is new. */
function wanted(model, r) {
  const want = [];
  let day = '', begun = false;
  for (const m of model.shown(r).list) {
    const of = new Date(m.created_at).toDateString();
    if (of !== day) want.push([`d${m.seq}`, m, dayItem]);
    day = of;
    if (!begun && m.seq > r.newAfter && m.kind !== 'system' && m.sender_id !== model.me.id) {
      begun = true;
      want.push(['new', m, newItem]);
    }
    want.push([`m${m.seq}`, m, sentItem]);
  }
  return [...want, ...[...r.pending.values()].map((p) => [`p${p.id}`, p, pendingItem])];
}

let pinned = true; // the newest message was in view when the person last scrolled

export function isAtEnd() {
  const s = $('scroll');
  return s.scrollHeight - s.scrollTop - s.clientHeight < 48;
}

export function toEnd() { $('scroll').scrollTop = $('scroll').scrollHeight; pinned = true; }

/** Keeps the newest message in view when the room for messages shrinks: the composer grows, a keyboard opens. */
export function keepEnd() {
  $('scroll').addEventListener('scroll', () => { pinned = isAtEnd(); });
  new ResizeObserver(() => { if (pinned) toEnd(); }).observe($('scroll'));
}

/** The button that leads to the newest messages, while they are out of view. */
export function drawNewest(r) {
  $('newest').hidden = isAtEnd();
  write($('newest'), `↓ ${r.unread > 0 ? count('newCount', r.unread) : t('toNewest')}`);
}

/** The line below the composer: how much of what a message may hold is used, when it is nearly all or more. */
export function drawComposer(bytes, max, over) {
  const n = { n: bytes.toLocaleString(), max: max.toLocaleString() }, text = over ? (bytes > max ? t('bytesOver', n) : t('tooLong')) : bytes > 0.8 * max ? t('bytesUsed', n) : '';
  write($('compose-note'), text);
  $('compose-note').classList.toggle('error', over);
  $('text').setAttribute('aria-invalid', String(over));
}

function dayItem(model, r, m) {
  const li = h('li', { className: 'day' });
  li.update = () => write(li, dayName(m.created_at));
  return li;
}

function newItem() {
  const li = h('li', { className: 'new' });
  li.update = () => write(li, t('newLine'));
  return li;
}

function sentItem(model, r, m) {
  if (m.kind === 'system') {
    const li = h('li', { className: 'system' });
    li.update = () => write(li, systemText(model, m));
    return li;
  }
  const mine = m.sender_id === model.me.id;
  const who = h('p', { className: 'who', dir: 'auto' }), mark = h('span'), body = h('p', { className: 'body', dir: 'auto' });
  const liked = h('p', { className: 'liked', hidden: true }), edited = h('span', { hidden: true });
  const li = h('li', { className: mine ? 'mine' : '' }, mine || r.peer ? null : who, body, liked,
    h('p', { className: 'meta' }, edited, h('time', { dateTime: m.created_at, title: `#${m.seq}` }, shortTime(m.created_at, true)), mine ? mark : null));
  li.update = (now) => {
    write(who, name(model, m.sender_id));
    write(body, now.recalled ? t('recalled') : now.content);
    body.classList.toggle('gone', Boolean(now.recalled));
    write(edited, now.edited_at ? t('edited') : '');
    edited.hidden = !now.edited_at || Boolean(now.recalled);
    write(liked, (now.reactions ?? []).map((x) => `${isolate(x.key)} ${x.count}`).join('   '));
    liked.hidden = !now.reactions?.length;
    if (mine) write(mark, [...r.peerRead.values()].some((seq) => seq >= m.seq) ? `✓✓ ${t('read')}` : `✓ ${t('sent')}`);
  };
  return li;
}

function pendingItem(model, r, p, { retry, edit }) {
  const state = h('span'), again = h('button', { type: 'button', onclick: () => retry(p) }), change = h('button', { type: 'button', onclick: () => edit(p) });
  const li = h('li', { className: 'mine' }, h('p', { className: 'body', dir: 'auto' }, p.content), h('p', { className: 'meta' }, state, again, change));
  li.update = () => {
    const failed = p.state === 'failed';
    li.classList.toggle('failed', failed);
    again.hidden = !failed || !p.retry; // what was refused for good can only be changed
    change.hidden = !failed;
    write(again, t('retry'));
    write(change, t('edit'));
    write(state, failed ? `${t('failed')}${p.err ? `: ${p.err}` : ''}` : t('pending'));
  };
  return li;
}

function write(el, text) { if (el.textContent !== text) el.textContent = text; }

/** The line at the top of the page; empty hides it. */
export function drawStatus(text) {
  $('status').hidden = !text;
  $('status').textContent = text;
}
