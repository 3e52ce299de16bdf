import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, call, enter, group, history, person, post, scissors, until, visit } from './harness.mjs';

/** A message by its text, or by a pattern of all that stands with it. */
const message = (page, what) => page.locator('#messages li', typeof what === 'string' ? { has: page.locator('.body', { hasText: what }) } : { hasText: what });
const sheet = (page) => page.locator('#sheet');
const button = (place, name) => place.getByRole('button', { name, exact: true });
const chip = (page, text, key) => message(page, text).locator(`.liked [data-key="${key}"]`);
const pressed = (page, text, key, yes, count) => until(async () => [await chip(page, text, key).getAttribute('aria-pressed'), await chip(page, text, key).textContent()],
  ([is, n]) => is === String(yes) && n.endsWith(` ${count}`));

/** Opens what can be done with a message. */
async function menu(page, text) {
  await message(page, text).locator('.more').click();
  await sheet(page).waitFor();
  return sheet(page);
}

async function choose(page, text, what) {
  await button(await menu(page, text), what).click();
  await sheet(page).waitFor({ state: 'hidden' });
}

/** Edits a message as a person does. */
async function edit(page, text, to) {
  await choose(page, text, 'Edit');
  await page.locator('#context', { hasText: 'You are editing' }).waitFor();
  assert.equal(await page.locator('#text').inputValue(), text);
  await page.locator('#text').fill(to);
  await button(page, 'Save').click();
}

async function recall(page, text) {
  await button(await menu(page, text), 'Recall').click();
  await page.getByText('The message is taken back for everybody').waitFor();
  await button(sheet(page), 'Recall').click();
  await sheet(page).waitFor({ state: 'hidden' });
}

/** A group of Ada's with Bob in it and texts by Bob, and both their pages. */
async function two(t, texts, { viewport, line } = {}) {
  const ada = await person('Ada'), bob = await person('Bob'), room = await group('Changes', ada, bob);
  for (const text of texts) await post(bob, room, text);
  const pages = [await visit(t, { as: ada, viewport }), await visit(t, { as: bob, viewport, ready: line?.ready })];
  for (const page of pages) {
    await enter(page, room);
    await message(page, texts.at(-1)).waitFor();
  }
  return { ada, bob, room, pages };
}

test('two edit, react, reply and recall, and each sees it of the other', async (t) => {
  const { ada, room, pages: [adas, bobs] } = await two(t, ['frist', 'secret']);
  await edit(bobs, 'frist', 'first');
  for (const page of [adas, bobs]) await message(page, /first.*edited/).waitFor();
  assert.equal(await bobs.locator('#text').inputValue(), '');

  await button(await menu(adas, 'first'), '👍').click();
  await pressed(adas, 'first', '👍', true, 1);
  await pressed(bobs, 'first', '👍', false, 1);
  const phone = await visit(t, { as: ada, viewport: PHONE, hash: `#${room.id}` });
  await pressed(phone, 'first', '👍', true, 1);
  await chip(bobs, 'first', '👍').click();
  await pressed(bobs, 'first', '👍', true, 2);
  await pressed(adas, 'first', '👍', true, 2);
  await chip(adas, 'first', '👍').click(); // her phone learns that it was she
  for (const page of [adas, phone]) await pressed(page, 'first', '👍', false, 1);
  await chip(bobs, 'first', '👍').click();
  for (const page of [adas, bobs, phone]) await chip(page, 'first', '👍').waitFor({ state: 'detached' });

  await choose(adas, 'first', 'Reply');
  await adas.locator('#context', { hasText: /Bob.*first/ }).waitFor();
  await adas.locator('#text').fill('well said');
  await adas.locator('#text').press('Enter');
  await message(bobs, 'well said').locator('.quote', { hasText: /Bob.*first/ }).click();
  await bobs.locator('#messages .found', { hasText: 'first' }).waitFor();
  assert.equal(await adas.locator('#context').isVisible(), false);

  await recall(bobs, 'secret');
  await message(adas, 'Message recalled').waitFor();
  assert.equal(await message(adas, 'secret').count(), 0);
  assert.equal(await button(await menu(bobs, 'well said'), 'Recall').count(), 0); // it isn't his, and he leads nobody
  await button(sheet(bobs), 'Close').click();
  await recall(adas, 'first'); // the owner may
  await until(() => message(bobs, 'Message recalled').count(), (n) => n === 2);
  assert.deepEqual((await history(ada, room)).map((m) => m.content), ['', '', 'well said']);
});

test('pins: a list for all, and controls for who leads', async (t) => {
  const { pages: [adas, bobs] } = await two(t, ['the rules', 'and more', 'chatter']);
  await choose(adas, 'the rules', 'Pin');
  await message(bobs, /the rules.*pinned/).waitFor();
  assert.equal(await button(await menu(bobs, 'and more'), 'Pin').count(), 0);
  await button(sheet(bobs), 'Close').click();
  await button(bobs, 'Pins').click();
  const list = bobs.locator('#dialog-members');
  await list.getByText('the rules').waitFor();
  assert.equal(await list.getByRole('button', { name: /Unpin/ }).count(), 0);
  await list.getByRole('button', { name: /Show .*the rules/ }).click();
  await bobs.locator('#messages .found', { hasText: 'the rules' }).waitFor();

  await choose(adas, 'and more', 'Pin');
  await message(adas, /and more.*pinned/).waitFor();
  await choose(adas, 'chatter', 'Pin'); // two is all that this service has room for
  await message(adas, 'chatter').locator('.changes', { hasText: /Not changed: The limit is reached.*2 pinned messages/ }).waitFor();
  await button(message(adas, 'chatter'), 'Dismiss').click();
  await message(adas, 'chatter').locator('.changes p').waitFor({ state: 'detached' });
  await button(adas, 'Pins').click();
  await adas.getByRole('button', { name: /Unpin .*the rules/ }).click();
  await adas.locator('#dialog-members', { hasText: 'the rules' }).waitFor({ state: 'detached' });
  await button(adas, 'Close').click();
  await choose(adas, 'chatter', 'Pin');
  await message(bobs, /chatter.*pinned/).waitFor();
  await choose(adas, 'chatter', 'Unpin');
  await bobs.locator('#messages li', { hasText: /chatter.*pinned/ }).waitFor({ state: 'detached' });
});

test('what is changed without a connection, or answered into the void, is done once when it is back', async (t) => {
  const line = scissors(), { bob, room, pages: [adas, bobs] } = await two(t, ['one', 'two'], { line });
  const asked = (type) => line.sent.filter((f) => f.type === type);
  line.deaf = 'done';
  await edit(bobs, 'one', 'uno');
  await message(adas, /uno.*edited/).waitFor(); // it is done, and the answer is lost
  await message(bobs, 'uno').locator('.saving').waitFor();
  line.deaf = '';
  line.cut = true;
  await line.close();
  await bobs.locator('#status', { hasText: 'No connection' }).waitFor();
  await button(await menu(bobs, 'two'), '🎉').click();
  await message(bobs, 'two').locator('.saving').waitFor();
  await call('PATCH', `/rooms/${room.id}/messages/${(await history(bob, room))[0].seq}`, bob.token, { content: 'eins' }); // by another device
  line.cut = false;
  await pressed(bobs, 'two', '🎉', true, 1);
  await pressed(adas, 'two', '🎉', false, 1);
  await until(() => bobs.locator('.saving').count(), (n) => n === 0);
  for (const page of [adas, bobs]) await message(page, /eins.*edited/).waitFor(); // the repeat didn't undo it
  assert.equal((await history(bob, room))[0].version, 3);
  assert.ok(asked('edit').length >= 2, JSON.stringify(asked('edit')));
  assert.equal(new Set(asked('edit').map((f) => f.change_id)).size, 1);
  assert.equal(asked('react').length, 1);
});

test('an edit that comes too late: the service says why, and the text isn\'t lost', async (t) => {
  const { bob, room, pages: [, bobs] } = await two(t, ['old']);
  await bobs.locator('#text').fill('half a thought');
  const sent = (await history(bob, room))[0].created_at;
  await until(() => Date.now() - Date.parse(sent), (age) => age > 41_000, 60_000); // limits.edit_window
  await edit(bobs, 'old', 'new words');
  assert.equal(await bobs.locator('#text').inputValue(), 'half a thought');
  const failed = message(bobs, 'old').locator('.changes', { hasText: 'Not changed: You may not do this.' });
  await failed.waitFor();
  assert.match(await failed.textContent(), /may be edited for 40s/);
  assert.equal(await button(failed, 'Retry').count(), 0);
  await button(failed, 'Edit').click();
  assert.equal(await bobs.locator('#text').inputValue(), 'new words');
  await bobs.locator('#text').press('Escape');
  assert.equal(await bobs.locator('#text').inputValue(), 'half a thought');
  await failed.waitFor({ state: 'detached' });
  assert.equal((await history(bob, room))[0].content, 'old');
});

for (const colorScheme of ['light', 'dark']) {
  test(`by keyboard alone, in a narrow window (${colorScheme})`, async (t) => {
    const ada = await person('Ada'), bob = await person('Bob'), room = await group('Narrow', ada, bob);
    for (const text of ['above', `a long one, ${'with many words '.repeat(10)}`, 'below']) await post(bob, room, text);
    const page = await visit(t, { as: ada, viewport: { width: 360, height: 640 }, colorScheme });
    await enter(page, room);
    await message(page, 'below').waitFor();
    const focused = () => page.evaluate(() => document.activeElement.closest('li')?.querySelector('.body')?.textContent ?? document.activeElement.id);
    await page.locator('#scroll').focus();
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'below'); // one stop for all messages
    await page.keyboard.press('ArrowUp');
    assert.match(await focused(), /^a long one/);
    await page.keyboard.press('Enter');
    await sheet(page).waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than its window');
    const box = await sheet(page).boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 360 && box.y >= 0 && box.y + box.height <= 640, `the sheet is at ${JSON.stringify(box)}`);
    await page.keyboard.press('ArrowRight'); // does nothing
    await button(sheet(page), '❤️').focus();
    await page.keyboard.press('Space');
    await pressed(page, 'a long one', '❤️', true, 1);
    assert.match(await focused(), /^a long one/); // back where it came from
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter'); // the reaction itself
    await chip(page, 'a long one', '❤️').waitFor({ state: 'detached' });
    assert.match(await focused(), /^a long one/);
    await page.keyboard.press('Enter');
    await sheet(page).waitFor();
    await page.keyboard.press('Escape');
    await sheet(page).waitFor({ state: 'hidden' });
    await page.keyboard.press('Tab');
    await until(focused, (id) => id === 'text');
    assert.ok(await page.evaluate(() => [...document.querySelectorAll('#messages .more')].every((b) => b.getAttribute('aria-label').startsWith('Actions for the message of'))));
  });
}
