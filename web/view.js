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
export function drawMessages(model, r, acts, stick) {
  const list = $('messages'), scroll = $('scroll');
  if (itemsOf !== r.id) { clearMessages(); itemsOf = r.id; }
  const atEnd = stick || pinned, height = scroll.scrollHeight, top = scroll.scrollTop, first = firstMessage();
  const want = wanted(model, r), keys = new Set(want.map(([key]) => key));
  for (const [key, li] of items) if (!keys.has(key)) { li.remove(); items.delete(key); }
  arrange(list, want.map(([key, what, make]) => {
    let li = items.get(key);
    if (!li) { li = make(model, r, what, acts); items.set(key, li); }
    li.update(what);
    return li;
  }));
  $('older').hidden = !r.loaded || !r.hasOlder;
  if (atEnd) toEnd();
  else if (first !== firstMessage()) scroll.scrollTop = top + scroll.scrollHeight - height;
  rove(list.contains(document.activeElement) ? document.activeElement.closest('.sent') ?? current : handles().at(-1)?.closest('.sent'));
  drawNewest(r);
}

// Of the buttons in sent messages Tab reaches those of one message, and the arrow keys lead to the others: the way to the composer stays short.
let current = null;

const handles = () => [...$('messages').querySelectorAll('.sent .more:not([hidden])')];

function rove(li = null) {
  current = li;
  for (const b of $('messages').querySelectorAll('.sent button')) {
    const stop = li?.contains(b) ? 0 : -1;
    if (b.tabIndex !== stop) b.tabIndex = stop;
  }
}

/** Has the arrow keys lead from message to message. */
export function wireMessages() {
  const list = $('messages');
  list.addEventListener('focusin', (ev) => { const li = ev.target.closest('.sent'); if (li && li !== current) rove(li); });
  list.addEventListener('keydown', (ev) => {
    const all = handles(), at = all.indexOf(ev.target.closest('.sent')?.querySelector('.more'));
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[ev.key];
    if (at < 0 || !all[to]) return;
    ev.preventDefault();
    all[to].focus();
  });
}

/** Brings a message into view and leads the focus to it; answers whether it is drawn. */
export function revealMessage(seq) {
  const li = items.get(`m${seq}`);
  if (!li) return false;
  li.scrollIntoView({ block: 'center' });
  (li.querySelector('.more:not([hidden])') ?? $('scroll')).focus({ preventScroll: true });
  li.classList.add('found');
  setTimeout(() => li.classList.remove('found'), 2000);
  return true;
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

function sentItem(model, r, m, acts) {
  if (m.kind === 'system') {
    const li = h('li', { className: 'system' });
    li.update = () => write(li, systemText(model, m));
    return li;
  }
  const mine = m.sender_id === model.me.id, at = m.seq;
  const who = h('p', { className: 'who', dir: 'auto' }), mark = h('span'), body = h('p', { className: 'body', dir: 'auto' });
  const quote = m.reply_to ? h('button', { type: 'button', className: 'quote', dir: 'auto', onclick: () => acts.reveal(m.reply_to) }) : null;
  const liked = h('div', { className: 'liked', role: 'group', 'aria-live': 'off', hidden: true }), edited = h('span', { hidden: true }), pin = h('span', { hidden: true });
  const more = h('button', { type: 'button', className: 'more', 'aria-haspopup': 'dialog', onclick: () => acts.menu(at) }, '⋯'), changes = h('div', { className: 'changes', 'aria-live': 'off' });
  const li = h('li', { className: mine ? 'sent mine' : 'sent' }, mine || r.peer ? null : who, quote, body, liked,
    h('p', { className: 'meta' }, pin, edited, h('time', { dateTime: m.created_at, title: `#${m.seq}` }, shortTime(m.created_at, true)), mine ? mark : null, more), changes);
  li.update = (now) => {
    const may = model.may(r, now), under = model.changesOf(r, at);
    write(who, name(model, m.sender_id));
    if (quote) write(quote, quoted(model, r, m.reply_to));
    write(body, now.recalled ? t('recalled') : now.content);
    body.classList.toggle('gone', Boolean(now.recalled));
    write(edited, now.edited_at ? t('edited') : '');
    edited.hidden = !now.edited_at || Boolean(now.recalled);
    write(pin, now.pinned ? t('pinned') : '');
    pin.hidden = !now.pinned;
    drawReactions(model, liked, now, under, (key) => acts.react(at, key));
    if (mine) write(mark, [...r.peerRead.values()].some((seq) => seq >= m.seq) ? `✓✓ ${t('read')}` : `✓ ${t('sent')}`);
    more.hidden = !Object.values(may).some(Boolean);
    label(more, mine ? t('actionsOwn', { text: excerpt(now) }) : t('actionsOf', { name: name(model, m.sender_id), text: excerpt(now) }));
    drawChanges(changes, under, acts);
  };
  return li;
}

/** The beginning of what a message says. */
export function excerpt(m) {
  const text = m.recalled ? t('recalled') : m.content;
  return text.length > 100 ? `${text.slice(0, 100).replace(/\p{Surrogate}$/u, '')}…` : text;
}

function quoted(model, r, seq) {
  const m = r.messages.get(seq);
  if (m?.kind === 'system') return systemText(model, m);
  return m ? `${isolate(name(model, m.sender_id))}: ${isolate(excerpt(m))}` : t('earlier');
}

/** The reactions to a message, each a button that sets one's own or takes it back. */
function drawReactions(model, el, m, under, toggle) {
  const all = m.reactions ?? [], waits = new Set(under.filter((c) => c.kind === 'react' && c.state === 'pending').map((c) => c.key));
  const state = JSON.stringify([all, m.mine, [...waits]]);
  if (el.state === state) return;
  const focused = el.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  el.state = state;
  el.hidden = all.length === 0;
  el.setAttribute('aria-label', t('reactions'));
  el.replaceChildren(...all.map((x) => {
    const own = Boolean(m.mine?.includes(x.key)), who = x.user_ids.map((id) => name(model, id)), rest = x.count - who.length;
    return h('button', { type: 'button', 'data-key': x.key, 'aria-pressed': String(own), 'aria-busy': String(waits.has(x.key)), title: who.join(', ') + (rest > 0 ? ` +${rest}` : ''),
      onclick: () => toggle(x.key) }, `${isolate(x.key)} ${x.count}`);
  }));
  if (focused) (el.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? el.closest('li').querySelector('.more')).focus();
}

/** What is under way with a message, and what was refused: with the service's words, and what can be done now. */
function drawChanges(el, under, acts) {
  const state = JSON.stringify(under);
  if (el.state === state) return;
  const focused = el.contains(document.activeElement);
  el.state = state;
  const button = (word, act) => h('button', { type: 'button', onclick: act }, t(word));
  el.replaceChildren(...under.map((c) => (c.state === 'pending' ? h('p', { className: 'saving' }, t('saving'))
    : h('p', { className: 'error' }, `${t('notChanged')} ${c.err} `, c.retry ? button('retry', () => acts.again(c)) : null,
      c.kind === 'edit' ? button('edit', () => acts.reedit(c)) : null, button('dismiss', () => acts.dismiss(c))))));
  if (focused) el.closest('li').querySelector('.more').focus();
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

function label(el, text) { if (el.getAttribute('aria-label') !== text) el.setAttribute('aria-label', text); }

export function write(el, text) { if (el.textContent !== text) el.textContent = text; }

/** The line at the top of the page; empty hides it. */
export function drawStatus(text) {
  $('status').hidden = !text;
  $('status').textContent = text;
}
