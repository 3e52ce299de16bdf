/** REST half of the client: calls, tokens and their renewal; and the small parts that both halves share. See chat-client.js. */

/** A refusal by the service. `code` is stable, `retry` tells whether the same call may succeed later. */
export class ChatError extends Error {
  constructor({ code = 'internal', message, retry = false, retry_after_ms = 0, status = 0, errors = [] } = {}) {
    super(message || code);
    Object.assign(this, { name: 'ChatError', code, retry, retryAfterMs: retry_after_ms, status, errors });
  }
}

/** Text as the service takes it: half a surrogate pair is no character, and JSON that holds one is refused whole. */
export const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, '\uFFFD');

/** JSON of a value, all its texts well-formed. */
export const encode = (value) => JSON.stringify(value, (_, v) => (typeof v === 'string' ? wellFormed(v) : v));

/** Bytes of a text in UTF-8. */
export const bytesOf = (text) => new TextEncoder().encode(text).length;

/** Tells whether a close code means "do not connect again". */
export const stops = (code) => (code >= 4500 && code <= 4999) || [1002, 1003, 1007, 1008, 1009].includes(code);

/** A frame's fields. */
export function withoutType({ type: _, ...rest }) { return rest; }

/** Makes a client_msg_id or change_id: 32 hexadecimal digits. */
export function newId() {
  const b = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');
}

/** The promise's result, or ChatError "timeout" after ms. late is called when it is too late. */
export function within(ms, promise, late = () => {}) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => { reject(new ChatError({ code: 'timeout', retry: true })); late(); }, ms);
    Promise.resolve(promise).then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

const LOGOUT_MS = 5000; // nobody waits longer to be rid of a session

/** Keeps a session in memory. Anything with load() and save(session|null) takes its place. */
export function memoryStore() {
  let kept = null;
  return { load: () => kept, save: (s) => { kept = s; } };
}

/** REST with the caller's tokens: adds the bearer, renews it once when it has expired. */
export class ChatApi {
  #o; #refreshing = null;

  /**
   * @param {{base?: string, store?: object, fetch?: typeof fetch, lock?: (work: () => Promise<any>) => Promise<any>,
   *   timeoutMs?: number}} [o]
   *   timeoutMs: how long a call may take; a renewal may wait as long again for the lock.
   *   lock: runs work while no other tab does. Two tabs that renew with one refresh token would look like theft.
   */
  constructor(o = {}) {
    this.#o = { base: '/api/v1', store: memoryStore(), fetch: (...a) => globalThis.fetch(...a), lock: (work) => work(), timeoutMs: 20_000, ...o };
  }

  /** The session {access_token, refresh_token, expires_at, user}, or null. */
  get session() { return this.#o.store.load(); }

  register(fields) { return this.#fetch('POST', '/auth/register', fields); }

  async login(username, password, device) {
    return this.#keep(await this.#fetch('POST', '/auth/login', { username, password, ...(device && { device }) }));
  }

  /** Ends the session here and, where it can be reached, on the server. */
  async logout() {
    try { await within(LOGOUT_MS, this.call('POST', '/auth/logout')); } finally { this.#o.store.save(null); }
  }

  /** Calls the service; answers the decoded body, null for none. Throws ChatError. */
  async call(method, path, body) {
    const token = await this.token();
    try {
      return await this.#fetch(method, path, body, token);
    } catch (err) {
      if (err.status !== 401) throw err;
      return this.#fetch(method, path, body, await this.token(token));
    }
  }

  /** A valid access token; stale is one that was just refused. */
  async token(stale) {
    const s = this.session;
    if (!s) throw new ChatError({ code: 'unauthenticated', status: 401 });
    if (s.access_token !== stale && s.expires_at > Date.now()) return s.access_token;
    this.#refreshing ??= within(2 * this.#o.timeoutMs, this.#o.lock(() => this.#refresh(s.access_token))).finally(() => { this.#refreshing = null; });
    return this.#refreshing;
  }

  async #refresh(stale) {
    const s = this.session; // another tab may have been faster
    if (!s) throw new ChatError({ code: 'unauthenticated', status: 401 });
    if (s.access_token !== stale) return s.access_token;
    try {
      return this.#keep(await this.#fetch('POST', '/auth/refresh', { refresh_token: s.refresh_token })).access_token;
    } catch (err) {
      if (err.status >= 400 && err.status < 500 && !err.retry) this.#o.store.save(null);
      throw err;
    }
  }

  #keep(r) {
    const s = { access_token: r.access_token, refresh_token: r.refresh_token, expires_at: Date.now() + r.expires_in * 1000, user: r.user };
    this.#o.store.save(s);
    return s;
  }

  async #fetch(method, path, body, token) {
    const headers = { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...(token && { Authorization: `Bearer ${token}` }) };
    const abort = new AbortController(), init = { method, headers, body: body === undefined ? undefined : encode(body), signal: abort.signal };
    let res, text;
    try {
      [res, text] = await within(this.#o.timeoutMs, this.#o.fetch(this.#o.base + path, init).then(async (r) => [r, await r.text()]), () => abort.abort());
    } catch (err) {
      throw err instanceof ChatError ? err : new ChatError({ code: 'unavailable', retry: true });
    }
    let data = null;
    try { data = text ? JSON.parse(text) : null; } catch { /* a proxy's page: the status says enough */ }
    if (res.ok) return data;
    const seconds = Number(res.headers.get('Retry-After')) || 0;
    throw new ChatError({ ...data, code: data?.code, message: data?.detail || data?.title, status: res.status,
      retry: res.status === 429 || res.status >= 500, retry_after_ms: seconds * 1000 });
  }
}
