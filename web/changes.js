/** What one can do with a message: reply, edit, recall, react, pin. The sheet that offers it, and the composer while it edits or replies. */

import { newId } from './chat-client.js';
import { explain, has, isolate, t } from './i18n.js';
import { $, excerpt, h, name, write } from './view.js';

const KEYS = ['👍', '❤️', '😂', '😮', '😢', '🎉']; // offered for every message, beside those that it has

let app = null, sheet = null; // of which message the sheet is: {room, seq, message, sure}

/** Wires it to the page: app has model, chat, room() (that is open), draw(), toast(text), text(value), reveal(seq). */
export function wireChanges(a) {
  app = a;
  $('sheet-close').addEventListener('click', closeSheet);
  $('sheet').addEventListener('click', (ev) => { if (ev.target === $('sheet')) closeSheet(); }); // beside it
  $('sheet').addEventListener('close', () => { sheet = null; });
  $('context-cancel').addEventListener('click', () => { leaveContext(); $('text').focus(); });
  $('text').addEventListener('keydown', (ev) => { if (ev.key === 'Escape' && app.room()?.context) { ev.preventDefault(); leaveContext(); } });
}

/** What the service says of a refusal: its code in the page's language, and its own words. */
function said(err) {
  const word = explain(err), own = err.message && err.message !== err.code ? err.message : '';
  return has(`err_${err.code}`) && own ? `${word} (${isolate(own)})` : word;
}

/** Carries a change out; c is {id, kind, seq, …fields}. Resolves when it is done or refused: what became of it stands beside the message. */
export async function carryOut(room, c) {
  const { id, kind, seq, state: _, err: __, retry: ___, ...fields } = c, { model } = app;
  model.begin(room.id, c);
  app.draw();
  try {
    await app.chat.change(kind, room.id, seq, fields, id);
    if (kind === 'react') model.reacted(room.id, seq, c.key, c.on);
    model.end(room.id, id);
  } catch (err) {
    model.refuse(room.id, id, said(err), err.retry);
    if (model === app.model) app.toast(`${t('notChanged')} ${said(err)}`);
  }
  app.draw();
}

/** What the drawn messages call. */
export const acts = {
  menu: (seq) => openSheet(app.room(), seq),
  react: (seq, key) => react(app.room(), seq, key),
  again: (c) => carryOut(app.room(), c),
  dismiss: (c) => { app.model.end(app.room().id, c.id); app.draw(); },
  reedit: (c) => { acts.dismiss(c); startEdit(app.room(), c.seq, c.content); },
  reveal: (seq) => app.reveal(seq),
};

/** Sets one's reaction, or takes it back. One that is under way is waited for: a second click must not guess what becomes of it. */
function react(room, seq, key) {
  const m = room.messages.get(seq);
  if (!m || !app.model.may(room, m).react || app.model.changesOf(room, seq).some((c) => c.kind === 'react' && c.key === key && c.state === 'pending')) return;
  const on = !m.mine?.includes(key);
  carryOut(room, { id: newId(), kind: 'react', seq, key, on });
}

// ---- the sheet

export function closeSheet() { if ($('sheet').open) $('sheet').close(); }

function openSheet(room, seq) {
  const m = room?.messages.get(seq);
  if (!m) return;
  sheet = { room, seq, sure: false };
  $('sheet-title').textContent = m.sender_id === app.model.me.id ? t('ownMessage') : t('messageOf', { name: name(app.model, m.sender_id) });
  $('sheet-text').textContent = excerpt(m);
  drawSheet();
  $('sheet').showModal();
}

function drawSheet() {
  const { room, seq, sure } = sheet, m = room.messages.get(seq);
  if (!m) return closeSheet(); // the room is being loaded again
  const may = app.model.may(room, m);
  const keys = may.react ? [...new Set([...KEYS, ...(m.reactions ?? []).map((x) => x.key)])] : [];
  $('sheet-keys').hidden = sure || keys.length === 0;
  $('sheet-keys').setAttribute('aria-label', t('react'));
  $('sheet-keys').replaceChildren(...keys.map((key) => h('button', { type: 'button', 'aria-pressed': String(Boolean(m.mine?.includes(key))), onclick: () => leaveSheet(() => react(room, seq, key)) }, key)));
  const change = (kind, fields = {}) => () => leaveSheet(() => carryOut(room, { id: newId(), kind, seq, ...fields }));
  const button = (word, act, className = '') => h('button', { type: 'button', className, onclick: act }, t(word));
  $('sheet-sure').textContent = sure ? t('recallSure') : '';
  $('sheet-acts').replaceChildren(...(sure ? [button('recall', change('recall'), 'danger')] : [
    may.reply && button('reply', () => leaveSheet(() => startReply(room, seq))),
    may.edit && button('edit', () => leaveSheet(() => startEdit(room, seq, m.content))),
    may.pin && button('pin', change('pin', { on: true })),
    may.unpin && button('unpin', change('pin', { on: false })),
    may.recall && button('recall', () => { sheet.sure = true; drawSheet(); $('sheet-acts').querySelector('button').focus(); }, 'danger'),
  ].filter(Boolean)));
}

function leaveSheet(act) {
  closeSheet();
  act();
}

// ---- the composer, while it edits or replies

function startEdit(room, seq, content) { enterContext(room, { kind: 'edit', seq, draft: room.context?.draft ?? room.draft ?? '' }, content); }

function startReply(room, seq) { enterContext(room, { kind: 'reply', seq }, room.context?.draft ?? room.draft ?? ''); }

function enterContext(room, context, text) {
  room.context = context;
  app.text(text);
  drawContext();
  $('text').focus();
}

/** Ends it; what was being written before an edit comes back. */
export function leaveContext() {
  const room = app.room(), context = room?.context;
  if (!context) return;
  room.context = null;
  if (context.kind === 'edit') app.text(context.draft);
  drawContext();
}

/** The line above the composer that says what is edited or replied to. */
export function drawContext() {
  const room = app.room(), context = room?.context, m = context && room.messages.get(context.seq);
  $('context').hidden = !context;
  write($('context-text'), !context ? '' : context.kind === 'edit' ? t('editing')
    : t('replying', { name: m ? name(app.model, m.sender_id) : '' }) + (m ? ` ${isolate(excerpt(m))}` : ''));
  write($('submit'), t(context?.kind === 'edit' ? 'save' : 'send'));
}

/** Takes what the composer holds if it edits; answers whether it does. */
export function submitEdit(content) {
  const room = app.room(), context = room?.context;
  if (context?.kind !== 'edit') return false;
  leaveContext();
  if (content !== room.messages.get(context.seq)?.content) carryOut(room, { id: newId(), kind: 'edit', seq: context.seq, content });
  return true;
}

/** Which message the composer replies to; it does so once. */
export function takeReply() {
  const context = app.room()?.context;
  if (context?.kind !== 'reply') return undefined;
  leaveContext();
  return context.seq;
}
