/** The page: wires model, view and client together. */

import { acts, closeSheet, drawContext, leaveContext, submitEdit, takeReply, wireChanges } from './changes.js';
import { bytesOf, ChatApi, ChatClient, newId } from './chat-client.js';
import { closeDialog, openDialog, wireDialog } from './dialogs.js';
import { choose, explain, has, language, setLanguage, t } from './i18n.js';
import { Model } from './model.js';
import { $, clearMessages, drawComposer, drawHeader, drawMessages, drawNewest, drawRooms, drawStatus, drawTyping, isAtEnd, keepEnd, revealMessage, toEnd, wireMessages } from './view.js';

const PAGE = 50;
const HOME = new URL('.', location.href).pathname; // all addresses are relative to the page's: a proxy may serve it below a path
// ?as=bob keeps a second login beside the first one in the same browser.
const AS = new URLSearchParams(location.search).get('as');
const KEY = `chat.session${HOME === '/' ? '' : HOME}${AS ? `.${AS}` : ''}`;

const store = {
  load: () => { try { return JSON.parse(localStorage.getItem(KEY)); } catch { return null; } },
  save: (s) => {
    if (s) return localStorage.setItem(KEY, JSON.stringify(s));
    localStorage.removeItem(KEY);
    queueMicrotask(() => { if (model.me) leave(t('sessionEnded')); });
  },
};
const lock = (work) => (navigator.locks ? navigator.locks.request(`${KEY}.refresh`, work) : work()); // locks need https or localhost
const api = new ChatApi({ base: `${HOME}api/v1`, store, lock });

let model = new Model(null), chat = null, openId = 0, members = [], renewal = 0;

// ---- drawing, at most once per frame

let dirty = 0, stick = false;
function draw(stickToEnd) {
  stick ||= Boolean(stickToEnd);
  if (dirty) return;
  dirty = setTimeout(() => {
    dirty = 0;
    if (!model.me) return;
    drawRooms(model, openId, open, Date.now() < heldUntil);
    const r = model.room(openId);
    $('open').hidden = !r;
    $('no-room').hidden = Boolean(r);
    $('chat').classList.toggle('in-room', Boolean(r));
    if (!r) return;
    drawHeader(model, r);
    drawTyping(model, r);
    drawMessages(model, r, { ...acts, retry, edit }, stick);
    drawContext();
    stick = false;
    markRead(r);
    fillHole(r);
  }, 16);
}

// The order of the rooms stays while a finger or pointer is among them: what is aimed at must not move away.
let heldUntil = 0, heldTimer = 0;
function hold(ms) {
  heldUntil = Math.max(heldUntil, Date.now() + ms);
  release(heldUntil);
}
function release(at) {
  heldUntil = at;
  clearTimeout(heldTimer);
  heldTimer = setTimeout(draw, Math.max(0, at - Date.now()) + 20);
}

// ---- login

let registering = false;
function drawLogin() {
  $('register-fields').hidden = $('register-fields').disabled = !registering; // a hidden field must not stop the form
  $('login-submit').textContent = t(registering ? 'register' : 'login');
  $('login-toggle').textContent = t(registering ? 'toLogin' : 'toRegister');
  $('login-form').elements.password.autocomplete = registering ? 'new-password' : 'current-password';
}

async function submitLogin(ev) {
  ev.preventDefault();
  const f = Object.fromEntries(new FormData($('login-form')));
  $('login-error').textContent = '';
  $('login-submit').disabled = true;
  try {
    if (registering) await api.register({ username: f.username, nickname: f.nickname || f.username, ...(f.email && { email: f.email }), password: f.password });
    await api.login(f.username, f.password, navigator.userAgent.slice(0, 100));
    $('login-form').reset();
    registering = false;
    enter();
  } catch (err) {
    $('login-error').textContent = explain(err);
  } finally {
    $('login-submit').disabled = false;
  }
}

function leave(why = '') {
  chat?.stop();
  chat = null;
  clearTimeout(renewal);
  model = new Model(null);
  openId = 0;
  closeDialog();
  closeSheet();
  clearMessages();
  drawStatus('');
  $('chat').hidden = true;
  $('login').hidden = false;
  $('login-error').textContent = why;
  drawLogin();
  $('login-form').elements.username.focus();
}

async function enter() {
  const s = api.session;
  $('login').hidden = true;
  $('chat').hidden = false;
  model = new Model(s.user);
  $('me').textContent = s.user.nickname || s.user.username;
  const url = new URL(`${HOME}api/v1/ws`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  chat = new ChatClient({ url: url.href, token: (stale) => api.token(stale) });
  listen(chat);
  chat.start();
  planRenewal();
  draw();
}

/** Renews the token well before its end; the live socket takes the new one without a reconnect. */
function planRenewal() {
  clearTimeout(renewal);
  const s = api.session;
  if (!s) return;
  const wait = Math.min(Math.max(1000, (s.expires_at - Date.now()) * (0.7 + 0.2 * Math.random())), 2 ** 31 - 1);
  renewal = setTimeout(async () => {
    try {
      chat?.renew(await api.token(s.access_token));
    } catch (err) {
      if (!err.retry) return leave(t('sessionEnded'));
    }
    planRenewal();
  }, wait);
}

// ---- the live connection

function listen(c) {
  const mine = (fn) => (x) => { if (c === chat) fn(x); };
  c.on('state', mine(onState));
  c.on('welcome', mine(onWelcome));
  c.on('message', mine((m) => { mark(m); if (!model.add(m)) refreshRoom(m.room_id); else know([m.sender_id, ...mentioned(m)]); draw(); }));
  c.on('change', mine((f) => { if (model.change(f)) reload(f.room_id); draw(); }));
  c.on('mine', mine((f) => { model.mine(f); draw(); }));
  c.on('read', mine((f) => { model.read(f); draw(); }));
  c.on('typing', mine((f) => { model.typing(f, Date.now()); know([f.user_id]); draw(); setTimeout(draw, 6100); }));
  c.on('presence', mine((f) => { for (const u of f.users) model.presence.set(u.user_id, u); draw(); }));
  c.on('joined', mine((f) => { model.put(f.room); watch(); draw(); }));
  c.on('left', mine(onLeft));
  c.on('room', mine((f) => { if (model.room(f.room.id)) { model.put(f.room); if (f.room.id === openId && f.user_id !== model.me.id) loadMembers(); if (['role', 'owner'].includes(f.change)) refreshRoom(f.room.id); } draw(); }));
  c.on('resync', mine(onResync));
  c.on('error', mine((err) => toast(explain(err))));
}

function onState({ state, code }) {
  if (state === 'online') drawStatus('');
  else if (state === 'connecting') drawStatus(t('connecting'));
  else if (state === 'waiting') drawStatus(t('waiting'));
  else if ([4500, 4502, 4504].includes(code)) store.save(null);
  else if (code !== 1000) drawStatus([4503, 4505].includes(code) ? t('elsewhere') : `${t('stopped')} (${code})`);
}

async function onWelcome(w) {
  Object.assign(model.me, w.user);
  const c = chat, old = model.outdated(w), unknown = model.welcome(w);
  for (const id of old) if (id === openId) reload(id); else model.forgetMessages(id);
  if (openId && !model.room(openId) && !unknown.includes(openId)) shut(); // it went while there was no connection
  draw();
  try {
    for (let cursor = unknown.length ? '' : null; cursor !== null && c === chat;) {
      const page = await api.call('GET', `/rooms?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      for (const r of page.rooms) { model.put(r); if (c.seqOf(r.id) === undefined) c.reset(r.id, r.last_seq, r.epoch); }
      know(page.rooms.map((r) => r.last_message?.sender_id));
      cursor = page.next_cursor || null;
      draw();
    }
    watch();
    if (!openId) route();
  } catch (err) { toast(explain(err)); }
}

function onLeft(f) {
  if (f.reason === 'unsubscribed') return;
  model.rooms.delete(f.room_id);
  if (f.room_id === openId) shut();
  if (has(`reason_${f.reason}`)) toast(t(`reason_${f.reason}`));
  draw();
}

/** Loads a room's newest messages again, in place of those that are here. */
async function reload(id) {
  const c = chat;
  try {
    const page = await api.call('GET', `/rooms/${id}/messages?page=1&page_size=${PAGE}`);
    if (c !== chat) return;
    model.forgetMessages(id);
    model.page(id, page, true);
    draw();
  } catch (err) {
    if (err.retry) setTimeout(() => { if (c === chat) reload(id); }, 2000 + 3000 * Math.random());
  }
}

async function onResync({ room_id, epoch }) {
  const c = chat;
  try {
    const page = await api.call('GET', `/rooms/${room_id}/messages?page=1&page_size=${PAGE}`);
    if (c !== chat) return;
    model.forgetMessages(room_id);
    model.page(room_id, page, true);
    c.reset(room_id, page.last_seq, epoch);
    await refreshRoom(room_id);
    if (room_id === openId) { clearMessages(); toast(t('resynced')); }
    draw(true);
  } catch (err) {
    if (err.retry) setTimeout(() => { if (c === chat) onResync({ room_id, epoch }); }, 2000 + 3000 * Math.random());
  }
}

async function refreshRoom(id) {
  try {
    const r = await api.call('GET', `/rooms/${id}`);
    model.put(r);
    watch();
    draw();
  } catch (err) { if (err.code === 'not_found') { model.rooms.delete(id); draw(); } }
}

// ---- people

const asked = new Set();
async function know(ids) {
  for (const id of new Set(ids)) {
    if (!id || model.users.has(id) || asked.has(id)) continue;
    asked.add(id);
    api.call('GET', `/users/${id}`).then((u) => { model.users.set(id, u.user ?? u); draw(); }, () => asked.delete(id));
  }
}

function mentioned(m) {
  if (m.kind !== 'system') return [];
  try { const c = JSON.parse(m.content); return [c.by, ...(c.user_ids ?? [])].slice(0, 20); } catch { return []; }
}

async function people(r) {
  const all = [];
  for (let cursor = ''; cursor !== null && all.length < 1000;) {
    const page = await api.call('GET', `/rooms/${r.id}/members?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    all.push(...page.members);
    cursor = page.next_cursor || null;
  }
  for (const m of all) if (m.user) model.users.set(m.user.id, m.user);
  return all;
}

async function loadMembers() {
  const id = openId;
  try {
    const got = await people(model.room(id));
    if (id !== openId) return;
    members = got;
    watch();
    draw();
  } catch { /* names and dots stay as they are */ }
}

let watching = '';
function watch() {
  const ids = model.watched(members, 200), key = ids.join();
  if (key === watching || !chat) return;
  watching = key;
  chat.watch(ids);
}

// ---- the open room

/** Shows the room that the address names: it changes with Back and Forward, too. */
function route() {
  const id = Number(location.hash.slice(1));
  if (id && id !== openId) open(id, false); else if (!id && openId) hide();
}

let opening = 0;
async function open(id, push = true) {
  const now = ++opening;
  if (!model.room(id)) await refreshRoom(id);
  if (now !== opening) return;
  const r = model.room(id);
  if (!r) return shut();
  if (push && id !== openId) history.pushState({ fromList: !openId }, '', `#${id}`);
  openId = id;
  members = [];
  r.newAfter = r.unread > 0 ? r.read_seq : Infinity;
  draw(true);
  $('text').value = r.draft ?? '';
  measure();
  if (matchMedia('(pointer: fine)').matches) $('text').focus(); else $('title').focus();
  loadMembers();
  if (r.loaded) return;
  await loadPage(r, `page=1&page_size=${PAGE}`, true);
  draw(true);
}

function hide() {
  opening++;
  openId = 0;
  members = [];
  draw();
}

/** Closes the room where there is nothing to go back to. */
function shut() {
  history.replaceState(null, '', location.pathname + location.search);
  hide();
}

function back() { if (history.state?.fromList) history.back(); else shut(); }

/** The line "new messages" stands before the first message that came while nobody looked. */
function mark(m) {
  const r = model.room(m.room_id);
  if (m.kind === 'system' || m.sender_id === model.me.id) return;
  if (r && r.id === openId && r.unread === 0 && !(looking() && isAtEnd())) r.newAfter = m.seq - 1;
}

const loading = new Set();
async function loadPage(r, query, older) {
  if (loading.has(r.id)) return;
  loading.add(r.id);
  try {
    const page = await api.call('GET', `/rooms/${r.id}/messages?${query}`);
    model.page(r.id, page, older);
    know(page.messages.flatMap((m) => [m.sender_id, ...mentioned(m)]));
  } catch (err) { toast(explain(err)); }
  loading.delete(r.id);
  draw();
}

async function loadOlder() {
  const r = model.room(openId);
  if (!r?.loaded || !r.hasOlder) return;
  const first = model.shown(r).list[0];
  if (first) await loadPage(r, `before_seq=${first.seq}&limit=${PAGE}`, true);
}

/** The newest page and live messages may leave a hole between them (a replica that lags): fill it from the newer side. */
function fillHole(r) {
  if (!r.loaded || r.messages.size === 0) return;
  const { hole } = model.shown(r);
  if (hole <= 1 || r.hole === hole) return; // once: what one may not see stays a hole
  r.hole = hole;
  loadPage(r, `before_seq=${hole}&limit=${PAGE}`, false);
}

const looking = () => !document.hidden && document.hasFocus();

function markRead(r) {
  const last = model.shown(r).list.at(-1);
  if (!last || !r.loaded || !looking() || !isAtEnd() || last.seq <= r.read_seq) return;
  chat?.read(r.id, last.seq);
  model.moveRead(r, last.seq, 0);
  draw();
}

/** Leads to a message, through so many older pages at most. */
async function reveal(seq) {
  const id = openId;
  for (let i = 0; i < 40 && id === openId; i++) {
    if (revealMessage(seq)) return;
    const before = model.shown(model.room(id)).list[0]?.seq ?? 0;
    if (before > seq) await loadOlder();
    await new Promise((done) => setTimeout(done, 50)); // it is drawn, or another page is on its way
    if (before <= seq || !model.room(id)?.hasOlder) break;
  }
  if (id === openId && !revealMessage(seq)) toast(t('notHere'));
}

async function post(roomId, id, content, reply_to) {
  model.pend(roomId, id, content, reply_to);
  draw(true);
  const m = model;
  try {
    const sent = await chat.send(roomId, content, id, reply_to && { reply_to });
    // The message itself comes as an event, except where it was there before.
    m.settle(roomId, id);
    if (sent.duplicate) m.add({ room_id: roomId, seq: sent.seq, id: sent.id, kind: 'text', sender_id: m.me.id, client_msg_id: id, content, reply_to, created_at: sent.created_at });
  } catch (err) {
    m.fail(roomId, id, explain(err), err.retry);
  }
  draw();
}

function retry(p) { post(openId, p.id, p.content, p.reply_to); }

/** Takes a message that was refused back into the composer. */
function edit(p) {
  leaveContext();
  model.settle(openId, p.id);
  setText([p.content, $('text').value].filter(Boolean).join('\n'));
  $('text').focus();
  draw();
}

function setText(text) {
  $('text').value = text;
  const r = model.room(openId);
  if (r) r.draft = text;
  measure();
}

/** Shows how much of what a message may hold is used; answers whether it is too much. */
function measure() {
  const content = $('text').value, max = chat?.limits.message_bytes ?? Infinity;
  const over = Boolean(chat?.tooLarge(content));
  drawComposer(bytesOf(content), max, over);
  return over;
}

function submitMessage(ev) {
  ev?.preventDefault();
  const content = $('text').value;
  if (!content.trim() || !openId || !chat || measure()) return; // too long a text stays, to be shortened
  if (submitEdit(content)) return;
  const reply = takeReply();
  setText('');
  post(openId, newId(), content, reply);
}

// ---- small parts

let toastTimer = 0;
function toast(text) {
  drawStatus(text);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { if (chat?.state === 'online') drawStatus(''); }, 4000);
}

function speak(l) {
  setLanguage(l);
  for (const b of document.querySelectorAll('.speak')) b.textContent = l === 'zh' ? 'English' : '中文';
  drawLogin();
  clearMessages();
  draw(true);
}

function wire() {
  $('login-form').addEventListener('submit', submitLogin);
  $('login-toggle').addEventListener('click', () => { registering = !registering; $('login-error').textContent = ''; drawLogin(); });
  $('logout').addEventListener('click', async () => { try { await api.logout(); } catch { /* it ends here in any case */ } shut(); leave(); });
  for (const b of document.querySelectorAll('.speak')) b.addEventListener('click', () => { const l = language() === 'zh' ? 'en' : 'zh'; localStorage.setItem('chat.lang', l); speak(l); });
  $('compose').addEventListener('submit', submitMessage);
  $('text').addEventListener('keydown', (ev) => { if (ev.key === 'Enter' && !ev.shiftKey && !ev.isComposing && matchMedia('(pointer: fine)').matches) submitMessage(ev); });
  $('text').addEventListener('input', () => { const r = model.room(openId); measure(); if (r) { r.draft = $('text').value; chat?.typing(openId); } });
  $('older').addEventListener('click', loadOlder);
  $('scroll').addEventListener('scroll', () => { if ($('scroll').scrollTop < 80) loadOlder(); const r = model.room(openId); if (r) { markRead(r); drawNewest(r); } });
  $('newest').addEventListener('click', () => { toEnd(); draw(true); });
  $('back').addEventListener('click', back);
  addEventListener('popstate', () => { closeDialog(); closeSheet(); if (model.me) route(); });
  keepEnd();
  wireMessages();
  $('rooms').addEventListener('pointerdown', () => hold(10_000));
  for (const ev of ['pointerup', 'pointercancel', 'blur']) addEventListener(ev, () => { if (heldUntil > Date.now()) release(Date.now() + 400); });
  for (const ev of ['pointermove', 'scroll']) $('rooms').addEventListener(ev, () => hold(600));
  $('info').addEventListener('click', () => { const r = model.room(openId); if (r) openDialog('members', r); });
  $('pins').addEventListener('click', () => { const r = model.room(openId); if (r) openDialog('pins', r); });
  for (const ev of ['online', 'focus']) addEventListener(ev, () => { chat?.wake(); draw(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { chat?.wake(); draw(); } });
  addEventListener('storage', (ev) => { // another tab logged out, in, or renewed the token
    if (ev.key !== KEY) return;
    const s = api.session;
    if (!s) leave(t('sessionEnded'));
    else if (!model.me || s.user.id !== model.me.id) { leave(); enter(); }
    else {
      chat?.renew(s.access_token);
      planRenewal();
    }
  });
  const page = { api, open, people, know, reveal, toast, draw, put: (r) => { model.put(r); watch(); }, change: (...a) => chat.change(...a), text: setText,
    room: () => model.room(openId), get model() { return model; }, get chat() { return chat; } };
  wireDialog(page);
  wireChanges(page);
}

wire();
speak(localStorage.getItem('chat.lang') ?? choose(navigator.languages ?? [navigator.language]));
if (api.session) enter(); else leave();
