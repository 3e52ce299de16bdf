import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, enter, group, hiddenBelow, history, person, post, until, visit } from './harness.mjs';

const text = (page) => page.locator('#text');
const body = (page, content) => page.locator('#messages .body', { hasText: content });

/** Puts a text into the composer as a paste does. */
const paste = (page, content) => text(page).evaluate((el, value) => {
  el.value = value;
  el.dispatchEvent(new InputEvent('input', { bubbles: true }));
}, content);

async function inRoom(t, options) {
  const ada = await person('Ada'), bob = await person('Bob'), room = await group('Talk', ada, bob);
  for (let i = 0; i < 30; i++) await post(bob, room, `line ${i}`);
  const page = await visit(t, { as: ada, ...options });
  await enter(page, room);
  await body(page, 'line 29').waitFor();
  return { ada, bob, room, page };
}

for (const [what, content] of [['70 KB', 'x'.repeat(70_000)], ['16,384 control characters', '\u0001'.repeat(16_384)], ['16,384 two-byte characters', 'é'.repeat(16_384)]]) {
  test(`a text of ${what} stays in the composer, and nothing else suffers`, async (t) => {
    const { ada, bob, room, page } = await inRoom(t);
    await paste(page, content);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('#compose-note', { hasText: 'The message is too long' }).waitFor();
    assert.equal(await text(page).evaluate((el) => el.value.length), content.length);
    await post(bob, room, 'still there?'); // comes by the socket
    await body(page, 'still there?').waitFor();
    await paste(page, 'short now');
    assert.equal(await page.locator('#compose-note').textContent(), '');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('#messages .mine', { hasText: /short now.*sent/ }).waitFor();
    assert.equal((await history(ada, room)).at(-1).content, 'short now');
  });
}

test('the counter shows before the limit is reached', async (t) => {
  const { page } = await inRoom(t);
  await paste(page, 'x'.repeat(15_000));
  await page.locator('#compose-note', { hasText: /15.000.*16.384/ }).waitFor();
});

test('half a character at the end blocks nothing', async (t) => {
  const { ada, room, page } = await inRoom(t);
  await paste(page, 'cut \ud83d');
  await page.getByRole('button', { name: 'Send' }).click();
  await paste(page, 'after it');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('#messages .mine', { hasText: /after it.*sent/ }).waitFor();
  assert.deepEqual((await history(ada, room)).slice(-2).map((m) => m.content), ['cut \ufffd', 'after it']);
});

test('what was refused for good can be edited, not retried', async (t) => {
  const { ada, room, page } = await inRoom(t);
  await paste(page, 'with a NUL: \u0000');
  await page.getByRole('button', { name: 'Send' }).click();
  const failed = page.locator('#messages .failed');
  await failed.waitFor();
  assert.equal(await failed.getByRole('button', { name: 'Retry' }).isVisible(), false);
  await failed.getByRole('button', { name: 'Edit' }).click();
  assert.equal(await text(page).inputValue(), 'with a NUL: \u0000');
  await failed.waitFor({ state: 'detached' });
  await paste(page, 'without');
  await text(page).press('Enter');
  await page.locator('#messages .mine', { hasText: /without.*sent/ }).waitFor();
  assert.equal((await history(ada, room)).at(-1).content, 'without');
});

for (const viewport of [undefined, PHONE]) {
  test(`the newest message stays in view while the composer grows and the window shrinks (${viewport ? 'phone' : 'desktop'})`, async (t) => {
    const { page } = await inRoom(t, { viewport });
    assert.ok(await hiddenBelow(page) < 2);
    const before = (await text(page).boundingBox()).height;
    await paste(page, 'a\nb\nc\nd\ne\nf');
    await until(async () => (await text(page).boundingBox()).height, (h) => h > before + 40);
    await until(() => hiddenBelow(page), (px) => px < 2, 2000);
    await page.setViewportSize({ width: viewport?.width ?? 1100, height: 420 }); // a keyboard opens
    await until(() => hiddenBelow(page), (px) => px < 2, 2000);
    await page.locator('#scroll').evaluate((el) => { el.scrollTop = 100; });
    await until(() => page.locator('#newest').isVisible());
    await paste(page, '');
    await page.setViewportSize({ width: viewport?.width ?? 1100, height: 500 });
    assert.ok(await hiddenBelow(page) > 50, 'who reads older messages is left there');
  });
}
