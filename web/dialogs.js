/** The one dialog: new chat, new group, find a public room, members and invitation, pinned messages. */

import { count, explain, isolate, shortTime, t } from './i18n.js';
import { $, dot, excerpt, h, name } from './view.js';

let mode = '', room = null, chosen = new Map(), app = null, turn = 0, timer = 0, acting = false;

/** Wires the dialog to the page: app has model, api, open(id), put(room), people(room), change(type, room, seq, fields), reveal(seq). */
export function wireDialog(a) {
  app = a;
  for (const b of document.querySelectorAll('[data-dialog]')) b.addEventListener('click', () => openDialog(b.dataset.dialog));
  $('dialog-cancel').addEventListener('click', closeDialog);
  $('dialog-search').addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(search, 200); });
  $('dialog-search').addEventListener('keydown', (ev) => { if (ev.key === 'Enter') { ev.preventDefault(); search(); } });
  $('dialog-form').addEventListener('submit', (ev) => { ev.preventDefault(); act(confirm); });
  $('dialog-leave').addEventListener('click', () => act(async () => {
    await app.api.call('DELETE', `/rooms/${room.id}/members/me`);
    closeDialog();
  }));
}

export function closeDialog() { if ($('dialog').open) $('dialog').close(); }

/** Opens it as direct, group, find, members or pins (of r). */
export function openDialog(as, r = null) {
  mode = as; room = r; chosen = new Map(); turn++;
  const mayInvite = as === 'members' && r.type === 'group' && (r.visibility === 'public' || ['owner', 'admin'].includes(r.role));
  $('dialog-title').textContent = t({ direct: 'newDirect', group: 'newGroup', find: 'findRoom', members: 'members', pins: 'pins' }[as]);
  $('dialog-group').hidden = as !== 'group';
  $('dialog-name').required = as === 'group';
  $('dialog-name').value = $('dialog-search').value = $('dialog-error').textContent = '';
  $('dialog-public').checked = false;
  $('dialog-search-label').hidden = as === 'pins' || as === 'members' && !mayInvite;
  $('dialog-leave').hidden = as !== 'members' || r.type === 'direct' || r.role === 'owner';
  $('dialog-ok').hidden = !(as === 'group' || mayInvite);
  $('dialog-ok').textContent = t(as === 'members' ? 'invite' : 'ok');
  for (const id of ['dialog-found', 'dialog-chosen', 'dialog-members']) $(id).replaceChildren();
  $('dialog').showModal();
  if (as === 'members') attempt(drawMembers);
  if (as === 'pins') attempt(drawPins);
  if (as === 'find') search();
}

async function attempt(work) {
  $('dialog-error').textContent = '';
  try { await work(); } catch (err) { $('dialog-error').textContent = explain(err); }
}

/** attempt for what changes something: one at a time, so that a double click does it once. */
async function act(work) {
  if (acting) return;
  acting = true;
  $('dialog').setAttribute('aria-busy', 'true');
  try { await attempt(work); } finally { acting = false; $('dialog').removeAttribute('aria-busy'); }
}

async function drawMembers() {
  const now = turn, members = await app.people(room);
  if (now !== turn) return;
  const mayKick = room.type === 'group' && ['owner', 'admin'].includes(room.role);
  $('dialog-members').replaceChildren(...members.map((m) => h('li', {},
    dot(app.model, m.user_id === app.model.me.id ? 0 : m.user_id),
    h('span', { className: 'grow' }, `${isolate(m.user?.nickname || m.user?.username || t('user', { id: m.user_id }))} `,
      h('small', { className: 'quiet' }, t(`role_${m.role}`))),
    mayKick && m.user_id !== app.model.me.id && m.role !== 'owner' && (room.role === 'owner' || m.role !== 'admin')
      ? h('button', { type: 'button', className: 'danger', onclick: () => act(async () => {
        await app.api.call('DELETE', `/rooms/${room.id}/members/${m.user_id}`);
        await drawMembers();
      }) }, t('kick')) : null)));
}

async function drawPins() {
  const now = turn, { messages } = await app.api.call('GET', `/rooms/${room.id}/pins`), { model } = app;
  if (now !== turn) return;
  app.know(messages.map((m) => m.sender_id));
  const shown = messages.map((m) => h('li', { className: 'pin' },
    h('p', { className: 'grow' }, h('small', { className: 'quiet' }, `${isolate(m.sender_id === model.me.id ? t('you') : name(model, m.sender_id))} · ${shortTime(m.created_at)}`), h('br'),
      h('span', { dir: 'auto' }, excerpt(m))),
    h('button', { type: 'button', 'aria-label': t('showOf', { text: excerpt(m) }), onclick: () => { closeDialog(); app.reveal(m.seq); } }, t('show')),
    model.may(room, m).unpin ? h('button', { type: 'button', 'aria-label': t('unpinOf', { text: excerpt(m) }), onclick: () => act(async () => {
      await app.change('pin', room.id, m.seq, { on: false });
      await drawPins();
      $('dialog-cancel').focus();
    }) }, t('unpin')) : null));
  $('dialog-members').replaceChildren(...(shown.length ? shown : [h('li', { className: 'quiet' }, t('noPins'))]));
}

async function search() {
  const q = $('dialog-search').value.trim(), now = ++turn;
  if (!q && mode !== 'find') return $('dialog-found').replaceChildren();
  await attempt(async () => {
    const path = mode === 'find' ? `/rooms?${new URLSearchParams({ visibility: 'public', limit: 50, q })}` : `/users?${new URLSearchParams({ limit: 20, q })}`;
    const found = await app.api.call('GET', path);
    if (now !== turn) return;
    const rows = mode === 'find' ? (found.rooms ?? []).map(roomRow) : (found.users ?? []).filter((u) => u.id !== app.model.me.id).map(userRow);
    $('dialog-found').replaceChildren(...(rows.length ? rows : [h('li', { className: 'quiet' }, t('nobody'))]));
  });
}

function roomRow(r) {
  return h('li', {}, h('button', { type: 'button', onclick: () => act(async () => {
    if (!app.model.room(r.id)) await app.api.call('POST', `/rooms/${r.id}/members`, { member_ids: [app.model.me.id] });
    closeDialog();
    await app.open(r.id);
  }) }, `${isolate(r.name)} · ${count('memberCount', r.member_count)}`));
}

function userRow(u) {
  const label = `${isolate(u.nickname || u.username)} (@${u.username})`;
  return h('li', {}, h('button', { type: 'button', 'aria-label': mode === 'direct' ? label : t('add', { name: label }), onclick: () => act(async () => {
    app.model.users.set(u.id, u);
    if (mode !== 'direct') { chosen.set(u.id, u); return drawChosen(); }
    const made = await app.api.call('POST', '/rooms', { type: 'direct', name: '', description: '', member_ids: [u.id] });
    app.put({ peer: u, ...made });
    closeDialog();
    await app.open(made.id);
  }) }, label));
}

function drawChosen() {
  $('dialog-chosen').replaceChildren(...[...chosen.values()].map((u) => h('li', {},
    h('button', { type: 'button', 'aria-label': t('remove', { name: u.nickname || u.username }), onclick: () => { chosen.delete(u.id); drawChosen(); } },
      `${isolate(u.nickname || u.username)} ×`))));
}

async function confirm() {
  const member_ids = [...chosen.keys()];
  if (mode === 'group') {
    const made = await app.api.call('POST', '/rooms', { type: 'group', name: $('dialog-name').value.trim(), description: '',
      visibility: $('dialog-public').checked ? 'public' : 'private', member_ids });
    app.put({ role: 'owner', ...made });
    closeDialog();
    await app.open(made.id);
  } else if (mode === 'members' && member_ids.length) {
    await app.api.call('POST', `/rooms/${room.id}/members`, { member_ids });
    chosen = new Map();
    drawChosen();
    $('dialog-search').value = '';
    $('dialog-found').replaceChildren();
    await drawMembers();
  }
}
