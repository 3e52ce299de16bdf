import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BELOW, PHONE, call, enter, group, hiddenBelow, person, post, row, scissors, until, visit } from './harness.mjs';

const line = (page, kind) => page.locator(`#messages .${kind}`);

test('a line per day', async (t) => {
  const ada = await person('Ada'), room = await group('Days', ada);
  await post(ada, room, 'first');
  const page = await visit(t, { as: ada });
  await enter(page, room);
  assert.deepEqual(await line(page, 'day').allTextContents(), ['Today']);
  const later = await visit(t, { as: ada, ready: (p) => p.clock.setFixedTime(Date.now() + 86_400_000), hash: `#${room.id}` });
  await line(later, 'day').waitFor();
  assert.deepEqual(await line(later, 'day').allTextContents(), ['Yesterday']);
});

test('a line before what is new, and a button that leads there', async (t) => {
  const ada = await person('Ada'), bob = await person('Bob'), room = await group('News', ada, bob);
  for (let i = 0; i < 30; i++) await post(ada, room, `old ${i}`);
  for (let i = 0; i < 3; i++) await post(bob, room, `new ${i}`);
  const page = await visit(t, { as: ada });
  await row(page, room).locator('.badge', { hasText: '3' }).waitFor();
  await enter(page, room);
  await line(page, 'new').waitFor();
  assert.match(await line(page, 'new').evaluate((el) => el.nextSibling.textContent), /new 0/);
  await row(page, room).locator('.badge').waitFor({ state: 'hidden' });
  await page.locator('#scroll').evaluate((el) => { el.scrollTop = 0; });
  await page.getByRole('button', { name: 'Newest messages' }).waitFor();
  await post(bob, room, 'newer');
  await page.getByRole('button', { name: '1 new message', exact: false }).click();
  await until(() => hiddenBelow(page), (px) => px < 2);
  await page.locator('#newest').waitFor({ state: 'hidden' });
  assert.match(await line(page, 'new').evaluate((el) => el.nextSibling.textContent), /newer/);
});

test('a reconnect closes no dialog; a room that was lost meanwhile is closed', async (t) => {
  const ada = await person('Ada'), room = await group('Gone soon', ada), line = scissors();
  const page = await visit(t, { as: ada, ready: line.ready });
  await enter(page, room);
  line.cut = true;
  await line.close();
  await page.locator('#status', { hasText: 'No connection' }).waitFor();
  await call('DELETE', `/rooms/${room.id}`, ada.token);
  line.cut = false;
  await page.getByText('Pick a room.').waitFor();
  assert.equal(await page.evaluate(() => location.hash), '');
  await page.getByRole('button', { name: 'New group' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Half typed');
  const back = page.waitForEvent('websocket');
  await line.close();
  await back;
  await page.locator('#status').waitFor({ state: 'hidden' });
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Half typed');
  assert.ok(await page.locator('#dialog').evaluate((el) => el.open));
});

test('what others edit, recall and react to is seen, also after a reconnect', async (t) => {
  const ada = await person('Ada'), bob = await person('Bob'), room = await group('Changes', ada, bob), line = scissors();
  const [first, second] = [await post(bob, room, 'frist'), await post(bob, room, 'secret')];
  const page = await visit(t, { as: ada, ready: line.ready });
  await enter(page, room);
  const message = (text) => page.locator('#messages li', { hasText: text });
  await message('frist').waitFor();
  await call('PATCH', `/rooms/${room.id}/messages/${first.seq}`, bob.token, { content: 'first' });
  await page.locator('#messages li', { hasText: /first.*edited/ }).waitFor();
  await call('PUT', `/rooms/${room.id}/messages/${first.seq}/reactions/${encodeURIComponent('👍')}`, bob.token);
  await message('first').locator('.liked', { hasText: '1' }).waitFor();
  await call('DELETE', `/rooms/${room.id}/messages/${second.seq}`, bob.token);
  await message('Message recalled').waitFor();
  assert.equal(await message('secret').count(), 0);
  assert.match(await row(page, room).locator('.last').textContent(), /Message recalled/);
  line.cut = true;
  await line.close();
  await page.locator('#status', { hasText: 'No connection' }).waitFor();
  await call('PATCH', `/rooms/${room.id}/messages/${first.seq}`, bob.token, { content: 'the very first' });
  line.cut = false;
  await message('the very first').waitFor();
});

test('one\'s own message from another device begins no line', async (t) => {
  const ada = await person('Ada'), bob = await person('Bob'), room = await group('Mine', ada, bob);
  for (let i = 0; i < 30; i++) await post(ada, room, `old ${i}`);
  const page = await visit(t, { as: ada });
  await enter(page, room);
  await page.locator('#scroll').evaluate((el) => { el.scrollTop = 0; });
  await post(ada, room, 'from my phone');
  await page.locator('#messages .body', { hasText: 'from my phone' }).waitFor();
  await page.getByRole('button', { name: 'Newest messages' }).click();
  await until(() => hiddenBelow(page), (px) => px < 2);
  await post(bob, room, 'hello');
  await page.locator('#messages .body', { hasText: 'hello' }).waitFor();
  assert.equal(await line(page, 'new').count(), 0);
});

for (const viewport of [undefined, PHONE]) {
  test(`the line about the connection covers nothing (${viewport ? 'phone' : 'desktop'})`, async (t) => {
    const ada = await person('Ada'), room = await group('Lines', ada), line = scissors();
    const page = await visit(t, { as: ada, viewport, ready: line.ready });
    await enter(page, room);
    line.cut = true;
    await line.close();
    const status = page.locator('#status', { hasText: 'No connection' });
    await status.waitFor();
    const [bar, header, chat] = await Promise.all([status, page.locator('#open > header'), page.locator('#compose')].map((l) => l.boundingBox()));
    assert.ok(bar.y + bar.height <= header.y + 1, `the line ends at ${bar.y + bar.height}, the header begins at ${header.y}`);
    assert.ok(chat.y + chat.height <= 701, 'the composer is out of view');
  });
}

test('Arabic and Hebrew run from the right, whatever the page speaks', async (t) => {
  const layla = await person('ليلى'), ada = await person('Ada'), room = await group('غرفة الأخبار!', layla, ada);
  await post(layla, room, 'مرحبا (Ada)!');
  await post(layla, room, 'שלום, Ada.');
  await post(layla, room, 'Hello.');
  const page = await visit(t, { as: ada, viewport: PHONE });
  const direction = (locator) => locator.evaluate((el) => getComputedStyle(el).direction);
  assert.equal(await direction(row(page, room).locator('.name')), 'rtl');
  assert.match(await row(page, room).locator('.last').textContent(), /^\u2068ليلى\u2069: \u2068Hello\.\u2069$/);
  await enter(page, room);
  assert.equal(await direction(page.locator('#title')), 'rtl');
  const bodies = page.locator('#messages .body');
  await bodies.nth(2).waitFor();
  assert.deepEqual(await bodies.evaluateAll((all) => all.map((el) => getComputedStyle(el).direction)), ['rtl', 'rtl', 'ltr']);
  assert.equal(await direction(page.locator('#messages .who').first()), 'rtl');
  await page.locator('#text').fill('مرحبا');
  assert.equal(await direction(page.locator('#text')), 'rtl');
  await page.locator('#text').press('Enter');
  await page.locator('#messages .mine', { hasText: 'sent' }).waitFor();
});

test('behind a path prefix page, socket and the page of the api work', async (t) => {
  const ada = await person('Ada'), room = await group('Below', ada);
  const page = await visit(t, { as: ada, at: BELOW });
  const outside = [];
  page.on('request', (r) => { if (!r.url().startsWith(BELOW) && !r.url().startsWith('data:')) outside.push(r.url()); });
  await enter(page, room);
  await page.locator('#text').fill('from below');
  await page.locator('#text').press('Enter');
  await page.locator('#messages .mine', { hasText: /from below.*sent/ }).waitFor();
  await page.goto(`${BELOW}docs`);
  await page.getByText('/auth/login', { exact: true }).first().waitFor();
  assert.deepEqual(outside, []);
  assert.deepEqual(await page.locator('.servers option').allTextContents().then((all) => all.map((s) => s.trim())), [`${BELOW}api/v1`]);
});
