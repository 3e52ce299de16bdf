/** Draws the model. All text goes in by textContent: what people write can never become markup. */

import { has, shortTime, t } from './i18n.js';

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
  if (!id) return h('span', { className: 'dot none' });
  const state = presenceOf(model, id);
  return h('span', { className: `dot ${state}`, role: 'img', 'aria-label': t(state), title: t(state) });
}

/** A system message in words. Its content is a JSON object {event, by, user_ids, …}. */
export function systemText(model, m) {
  let c;
  try { c = JSON.parse(m.content); } catch { return m.content; }
  if (!c || typeof c !== 'object') return m.content;
  const users = (c.user_ids ?? []).map((id) => name(model, id)).join(', ');
  const key = has(`sys_${c.event}`) ? `sys_${c.event}` : 'sys_other';
  return t(key, { by: c.by ? name(model, c.by) : '', users, name: c.name ?? '', event: c.event ?? '' });
}

function preview(model, m) {
  if (!m) return '';
  if (m.kind === 'system') return systemText(model, m);
  return `${m.sender_id === model.me.id ? t('you') : name(model, m.sender_id)}: ${m.content}`;
}

/** The list of rooms; open is the id of the one that is shown. Elements are kept, so that focus stays. */
export function drawRooms(model, open, pick) {
  const list = $('rooms'), focused = document.activeElement?.closest?.('#rooms button')?.dataset.id;
  list.replaceChildren(...model.sorted().map((r) => h('li', {},
    h('button', { type: 'button', 'data-id': r.id, 'aria-current': r.id === open ? 'true' : undefined, onclick: () => pick(r.id) },
      dot(model, r.peer?.id),
      h('span', { className: 'name' }, roomTitle(model, r)),
      r.unread > 0 ? h('span', { className: 'badge', 'aria-label': t('unread', { n: r.unread }) }, r.unread > 999 ? '999+' : String(r.unread)) : h('span'),
      h('span', { className: 'last' }, preview(model, r.last_message))))));
  $('no-rooms').hidden = model.rooms.size > 0;
  if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  const total = [...model.rooms.values()].reduce((n, r) => n + r.unread, 0);
  document.title = total ? `(${total}) ${t('app')}` : t('app');
}

export function drawHeader(model, r) {
  $('title').textContent = roomTitle(model, r);
  if (!r.peer) {
    $('subtitle').textContent = t('memberCount', { n: r.member_count ?? '?' });
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
export function drawMessages(model, r, { retry, stick }) {
  const list = $('messages'), scroll = $('scroll');
  if (itemsOf !== r.id) { clearMessages(); itemsOf = r.id; }
  const atEnd = stick || isAtEnd(), height = scroll.scrollHeight, top = scroll.scrollTop, first = list.firstChild;
  const { list: shown } = model.shown(r);
  const want = [...shown.map((m) => [`m${m.seq}`, m, sentItem]), ...[...r.pending.values()].map((p) => [`p${p.id}`, p, pendingItem])];
  const keys = new Set(want.map(([key]) => key));
  for (const [key, li] of items) if (!keys.has(key)) { li.remove(); items.delete(key); }
  want.forEach(([key, what, make], i) => {
    let li = items.get(key);
    if (!li) { li = make(model, r, what, retry); items.set(key, li); }
    li.update();
    if (list.children[i] !== li) list.insertBefore(li, list.children[i] ?? null);
  });
  $('older').hidden = !r.loaded || !r.hasOlder;
  if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  else if (first !== list.firstChild) scroll.scrollTop = top + scroll.scrollHeight - height;
}

export function isAtEnd() {
  const s = $('scroll');
  return s.scrollHeight - s.scrollTop - s.clientHeight < 48;
}

function sentItem(model, r, m) {
  if (m.kind === 'system') {
    const li = h('li', { className: 'system' });
    li.update = () => write(li, systemText(model, m));
    return li;
  }
  const mine = m.sender_id === model.me.id;
  const who = h('p', { className: 'who' }), mark = h('span');
  const li = h('li', { className: mine ? 'mine' : '' }, mine || r.peer ? null : who, h('p', { className: 'body' }, m.content),
    h('p', { className: 'meta' }, h('time', { dateTime: m.created_at, title: `#${m.seq}` }, shortTime(m.created_at)), mine ? mark : null));
  li.update = () => {
    write(who, name(model, m.sender_id));
    if (mine) write(mark, [...r.peerRead.values()].some((seq) => seq >= m.seq) ? `✓✓ ${t('read')}` : `✓ ${t('sent')}`);
  };
  return li;
}

function pendingItem(model, r, p, retry) {
  const state = h('span'), again = h('button', { type: 'button', onclick: () => retry(p) }, t('retry'));
  const li = h('li', { className: 'mine' }, h('p', { className: 'body' }, p.content), h('p', { className: 'meta' }, state, again));
  li.update = () => {
    li.classList.toggle('failed', p.state === 'failed');
    again.hidden = p.state !== 'failed';
    write(state, p.state === 'failed' ? `${t('failed')}${p.err ? `: ${p.err}` : ''}` : t('pending'));
  };
  return li;
}

function write(el, text) { if (el.textContent !== text) el.textContent = text; }

/** The line at the top of the page; empty hides it. */
export function drawStatus(text) {
  $('status').hidden = !text;
  $('status').textContent = text;
}
