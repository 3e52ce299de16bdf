import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, call, enter, group, person, post, row, until, visit } from './harness.mjs';

const openRoom = (page) => page.evaluate(() => Number(location.hash.slice(1)));

/** Posts to the rooms in turn until stop() is called. */
function chatter(who, rooms, everyMs) {
  let going = true;
  const done = (async () => {
    for (let i = 0; going; i++) {
      await post(who, rooms[i * 5 % rooms.length], `number ${i}`);
      await new Promise((r) => setTimeout(r, everyMs));
    }
  })();
  return async () => { going = false; await done; };
}

test('a room opens by a tap while messages come in, and the list stays where it is', async (t) => {
  const ada = await person('Ada'), bob = await person('Bob'), rooms = [];
  for (let i = 0; i < 24; i++) rooms.push(await group(`Room ${i}`, bob, ada));
  const page = await visit(t, { as: ada });
  await row(page, rooms[0]).waitFor();
  const list = page.locator('#rooms');
  await list.evaluate((el) => { el.scrollTop = 200; });
  const stop = chatter(bob, rooms, 60);
  try {
    await until(() => list.evaluate((el) => el.textContent.includes('number')));
    for (let i = 0; i < 16; i++) {
      const box = await list.boundingBox(), x = box.x + 80, y = box.y + 60 + (i % 8) * 50;
      await page.mouse.move(x, y);
      const aimed = await page.evaluate(([px, py]) => document.elementFromPoint(px, py).closest('button').dataset.id, [x, y]);
      await page.mouse.down();
      await new Promise((r) => setTimeout(r, 90));
      await page.mouse.up();
      assert.equal(await until(() => openRoom(page), (id) => id === Number(aimed), 3000), Number(aimed), `tap ${i}`);
    }
  } finally { await stop(); }
  assert.ok(await list.evaluate((el) => el.scrollTop) > 100, 'the list jumped to its top');
});

test('the order follows the messages when nobody is aiming', async (t) => {
  const ada = await person('Ada'), bob = await person('Bob');
  const one = await group('One', bob, ada), two = await group('Two', bob, ada);
  const page = await visit(t, { as: ada });
  await row(page, two).waitFor();
  for (const room of [one, two, one]) {
    await post(bob, room, 'hello');
    await until(() => page.locator('#rooms button').first().getAttribute('data-id'), (id) => Number(id) === room.id);
  }
});

test('Back and Forward change the room', async (t) => {
  const ada = await person('Ada'), one = await group('One', ada), two = await group('Two', ada);
  const page = await visit(t, { as: ada });
  await enter(page, one);
  await enter(page, two);
  const title = (name) => page.locator('#title', { hasText: name }).waitFor();
  await title('Two');
  await page.goBack();
  await title('One');
  await page.goForward();
  await title('Two');
  await page.goBack();
  await page.goBack();
  await page.getByText('Pick a room.').waitFor();
  await page.goForward();
  await title('One');
});

test('on a phone Back leaves the room, and so does the button', async (t) => {
  const ada = await person('Ada'), room = await group('One', ada);
  const page = await visit(t, { as: ada, viewport: PHONE });
  await enter(page, room);
  await page.goBack();
  await row(page, room).waitFor({ state: 'visible' });
  await enter(page, room);
  await page.getByRole('button', { name: 'Back to the rooms' }).click();
  await row(page, room).waitFor({ state: 'visible' });
  assert.equal(await openRoom(page), 0);
  await page.goForward();
  await page.locator('#title', { hasText: 'One' }).waitFor();
  await page.reload(); // the address alone is enough, and then the button has nothing to go back to but the list
  await page.locator('#title', { hasText: 'One' }).waitFor();
  await page.getByRole('button', { name: 'Back to the rooms' }).click();
  await row(page, room).waitFor({ state: 'visible' });
});

test('a room that is not there any more is not in the way of Back', async (t) => {
  const ada = await person('Ada'), one = await group('One', ada), two = await group('Two', ada);
  const page = await visit(t, { as: ada });
  await enter(page, one);
  await enter(page, two);
  await call('DELETE', `/rooms/${one.id}`, ada.token);
  await row(page, one).waitFor({ state: 'detached' });
  await page.goBack();
  await page.getByText('Pick a room.').waitFor();
  assert.equal(await openRoom(page), 0);
});

test('a double click on OK makes one group; one member is "1 member"', async (t) => {
  const ada = await person('Ada'), page = await visit(t, { as: ada });
  await page.route('**/api/v1/rooms', async (route) => { // slow enough for the second click
    if (route.request().method() === 'POST') await new Promise((r) => setTimeout(r, 300));
    await route.continue();
  });
  await page.getByRole('button', { name: 'New group' }).click();
  await page.getByLabel('Name', { exact: true }).fill('Twins');
  await page.getByRole('button', { name: 'OK' }).dblclick();
  await page.locator('#title', { hasText: 'Twins' }).waitFor();
  await page.locator('#subtitle', { hasText: /^1 member$/ }).waitFor();
  assert.equal((await call('GET', '/rooms', ada.token)).rooms.length, 1);
});

test('a search for half a character is a search', async (t) => {
  const ada = await person('Ada'), page = await visit(t, { as: ada });
  const seen = [], began = Date.now();
  for (const ev of ['request', 'response', 'requestfailed']) page.on(ev, (r) => seen.push(`${Date.now() - began} ms: ${ev} ${r.url()}`));
  await page.getByRole('button', { name: 'Find a room' }).click();
  // Asked for by its being there, and for longer than a call may take: a busy machine draws late, and what goes wrong then has an error.
  const shows = () => page.evaluate(() => ({ rows: document.querySelectorAll('#dialog-found li').length, error: document.querySelector('#dialog-error').textContent,
    open: document.querySelector('#dialog').open }));
  await until(async () => ({ ...await shows(), seen }), (v) => v.rows > 0 || v.error, 30_000);
  assert.deepEqual({ ...await shows(), rows: 0, seen }, { rows: 0, error: '', open: true, seen });
  const answer = page.waitForResponse(/q=%EF%BF%BD/);
  await page.locator('#dialog-search').evaluate((el) => { el.value = '\ud83d'; el.dispatchEvent(new Event('input')); });
  assert.equal((await answer).status(), 200);
  await page.getByText('Nothing found.').waitFor();
  assert.equal(await page.locator('#dialog-error').textContent(), '');
});

for (const viewport of [undefined, PHONE]) {
  test(`long names take one line (${viewport ? 'phone' : 'desktop'})`, async (t) => {
    const ada = await person('Ada'), name = `${'Averylongword'.repeat(4)} ${'and many short ones '.repeat(3)}`.trim();
    const room = await group(name, ada);
    const page = await visit(t, { as: ada, viewport });
    await enter(page, room);
    const header = await page.locator('#open > header').boundingBox();
    assert.ok(header.height < 80, `the header is ${header.height} pixels high`);
    assert.equal(await page.locator('#title').getAttribute('title'), name);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than its window');
    const info = await page.locator('#info').boundingBox();
    assert.ok(info.x + info.width <= (viewport?.width ?? 1100), 'the button is out of view');
  });
}
