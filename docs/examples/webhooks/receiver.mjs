// A receiver of the chat service's webhooks to start from. It needs Node.js 20 or later, and no packages.
//
//   WEBHOOK_SECRETS=whsec_… LISTEN=127.0.0.1:9000 node receiver.mjs
//
// While a secret is replaced, WEBHOOK_SECRETS holds the new and the old one, with a space between them.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const tolerance = 5 * 60; // seconds. Older posts are refused, so that one that somebody recorded can't be sent again later
const maxBody = 1 << 20;
const remember = 10_000; // events

const secrets = (process.env.WEBHOOK_SECRETS ?? '').split(/\s+/).filter(Boolean)
  .map((text) => Buffer.from(text.replace(/^whsec_/, ''), 'base64'));
if (secrets.length === 0 || secrets.some((secret) => secret.length < 24)) {
  console.error("set WEBHOOK_SECRETS to the endpoint's secret: it begins with whsec_");
  process.exit(1);
}

// verify says why a post is refused, '' if the service signed it a short time ago. It needs the body byte by byte as it came.
function verify(headers, body, now) {
  const id = headers['webhook-id'];
  const stamp = headers['webhook-timestamp'];
  if (!id || !/^\d{1,15}$/.test(stamp ?? '')) return 'webhook-id and webhook-timestamp are needed';
  if (Math.abs(now - Number(stamp)) > tolerance) return 'webhook-timestamp is too old, or of the future';
  let fits = false;
  for (const signature of (headers['webhook-signature'] ?? '').split(' ')) {
    if (!signature.startsWith('v1,')) continue; // of a later version
    const given = Buffer.from(signature.slice(3), 'base64');
    for (const secret of secrets) {
      const own = createHmac('sha256', secret).update(`${id}.${stamp}.`).update(body).digest();
      // timingSafeEqual takes the same time however much of it is right
      if (given.length === own.length && timingSafeEqual(given, own)) fits = true;
    }
  }
  return fits ? '' : 'no signature in webhook-signature fits';
}

const known = new Set(); // events that were handled; an application keeps them where it keeps what they led to

// handle is where the application does what it has to do. It may be called again for the same event. An event of a room is known by its
// type and its place in the room; another one, such as user.created, by its id.
async function handle(event, id) {
  const { room_id: room, seq, change_seq: change } = event.data ?? {};
  const key = room ? `${event.type} ${room} ${seq ?? 0} ${change ?? 0}` : id;
  console.log(JSON.stringify({ id, repeat: known.has(key), event }));
  known.add(key);
  if (known.size > remember) known.delete(known.values().next().value); // the oldest
}

// read takes the whole body, as it came; null if it is too large. Then too it reads on, until requestTimeout at most: who still writes
// wouldn't see the answer.
async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size <= maxBody) parts.push(part);
  }
  return size <= maxBody ? Buffer.concat(parts) : null;
}

// answer gives 204 when the event is safe here: the service then never posts it again. To anything but 2xx it posts it again later, and
// holds back the room's later events until then. So answer fast, within 15 s, and only after the event was kept.
async function answer(request) {
  if (request.method !== 'POST') return [405, 'POST events'];
  const body = await read(request);
  if (body === null) return [413, 'the body is too large'];
  const refusal = verify(request.headers, body, Date.now() / 1000);
  if (refusal) return [401, refusal];
  let event;
  try {
    event = JSON.parse(body.toString('utf8'));
  } catch {
    return [400, 'the body is no event'];
  }
  await handle(event, request.headers['webhook-id']);
  return [204, ''];
}

const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
  answer(request).catch((error) => {
    console.error(error);
    return [500, 'try again later'];
  }).then(([status, text]) => {
    response.writeHead(status, text ? { 'Content-Type': 'text/plain; charset=utf-8' } : {}).end(text);
  });
});
const [, host, port] = /^(.*):(\d+)$/.exec(process.env.LISTEN ?? '127.0.0.1:9000') ?? [];
server.listen(Number(port), host, () => console.log(`listening on http://${host}:${server.address().port}`));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
