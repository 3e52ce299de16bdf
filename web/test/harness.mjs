/** What the tests of the page share: a browser, people with rooms and messages (made by REST), and waiting with a deadline. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { chromium } from 'playwright-core';

const setting = (name) => {
  const v = process.env[name];
  if (!v) throw new Error(`${name} is not set: run these tests by \`go test -tags e2e ./internal/test/browser\` or \`make test\`, which start the service and find a browser`);
  return v;
};

/** The page's address, and the same page behind a proxy that serves it below a path. Both end in a slash. */
export const PAGE = setting('CHAT_TEST_PAGE');
export const BELOW = setting('CHAT_TEST_PAGE_BELOW');

export const DESKTOP = { width: 1100, height: 700 };
export const PHONE = { width: 390, height: 700 };

const browser = await chromium.launch({
  executablePath: setting('CHAT_TEST_CHROMIUM'),
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
});
after(() => browser.close());

/** A call of the service; throws for anything but 2xx. */
export async function call(method, path, token, body) {
  const res = await fetch(`${PAGE}api/v1${path}`, {
    method, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000),
    headers: { ...(body && { 'Content-Type': 'application/json' }), ...(token && { Authorization: `Bearer ${token}` }) },
  });
  const text = await res.text();
  assert.ok(res.ok, `${method} ${path}: ${res.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

export const PASSWORD = 'Correct-horse-7';
let people = 0;

/** A new person with a login: {id, username, nickname, token, session}. */
export async function person(nickname) {
  const username = `p${process.pid}x${Date.now().toString(36)}x${++people}`;
  await call('POST', '/auth/register', '', { username, nickname, email: `${username}@example.com`, password: PASSWORD });
  const s = await call('POST', '/auth/login', '', { username, password: PASSWORD });
  const session = { access_token: s.access_token, refresh_token: s.refresh_token, expires_at: Date.now() + s.expires_in * 1000, user: s.user };
  return { id: s.user.id, username, nickname, token: s.access_token, session };
}

/** A new group of the first person's, with the others in it. */
export async function group(name, owner, ...others) {
  return call('POST', '/rooms', owner.token, { type: 'group', name, description: '', visibility: 'private', member_ids: others.map((p) => p.id) });
}

let posts = 0;
export const post = (who, room, content) => call('POST', `/rooms/${room.id}/messages`, who.token, { content, client_msg_id: `t.${process.pid}.${++posts}` });

export const history = async (who, room) => (await call('GET', `/rooms/${room.id}/messages?page=1&page_size=100`, who.token)).messages.filter((m) => m.kind === 'text');

/** The page in a context of its own, which ends with the test; `as` is logged in. Errors of its scripts fail the test. */
export async function visit(t, { as, viewport = DESKTOP, at = PAGE, hash = '', ready, ...options } = {}) {
  const context = await browser.newContext({ viewport, locale: 'en-GB', ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (err) => errors.push(err));
  t.after(async () => {
    if (process.env.CHAT_TEST_SHOTS) await page.screenshot({ path: `${process.env.CHAT_TEST_SHOTS}/${t.name.replace(/\W+/g, '-').slice(0, 70)}-${viewport.width}.png` });
    await context.close();
    assert.deepEqual(errors, []);
  });
  if (as) {
    const key = `chat.session${new URL(at).pathname === '/' ? '' : new URL(at).pathname}`;
    await page.addInitScript(([k, s]) => { if (!localStorage.getItem(k)) localStorage.setItem(k, s); }, [key, JSON.stringify(as.session)]);
  }
  await ready?.(page);
  await page.goto(at + hash);
  return page;
}

/** The row of a room in the list. */
export const row = (page, room) => page.locator(`#rooms [data-id="${room.id}"]`);

/** Opens a room by its row. */
export async function enter(page, room) {
  await row(page, room).click();
  await page.locator('#messages li').first().waitFor();
}

/** Waits until what gives a value that passes; the last value is in the error. */
export async function until(what, passes = Boolean, ms = 20_000) {
  const end = Date.now() + ms;
  for (let v; ;) {
    v = await what();
    if (passes(v)) return v;
    if (Date.now() > end) assert.fail(`not within ${ms} ms; it is ${JSON.stringify(v)}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** Distance of the newest message from being whole in view, in pixels. */
export const hiddenBelow = (page) => page.locator('#scroll').evaluate((s) => Math.round(s.scrollHeight - s.scrollTop - s.clientHeight));

/**
 * Lets the test cut the page's socket; what is opened while cut closes at once. While deaf, the page gets no frames of that type. `sent` is
 * what the page sent.
 */
export function scissors() {
  const sockets = [], s = {
    cut: false,
    deaf: '',
    sent: [],
    ready: (page) => page.routeWebSocket('**/api/v1/ws', (ws) => {
      if (s.cut) return ws.close();
      const server = ws.connectToServer();
      ws.onMessage((text) => { s.sent.push(JSON.parse(text)); server.send(text); });
      server.onMessage((text) => { if (JSON.parse(text).type !== s.deaf) ws.send(text); });
      sockets.push(ws);
    }),
    close: () => sockets.at(-1).close(),
  };
  return s;
}
