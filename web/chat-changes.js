/** Changes of messages that are under way. Part of chat-client.js. */

import { ChatError, bytesOf, encode } from './chat-api.js';

const DONE_MS = 10_000; // silence after which a change is asked for again with the same id
const TYPES = new Set(['edit', 'recall', 'react', 'pin']);

/**
 * Asks for each change until the service has answered, over reconnects and always under the same change_id, so that it is done once. Of the
 * changes of one message one is under way at a time, so that a retry can't overtake a later one.
 */
export class Changes {
  #o; #all = new Map(); #queues = new Map();

  /** @param {{transmit: (frame: object) => boolean, limits: () => object, random: () => number, timeoutMs: number}} o */
  constructor(o) { this.#o = o; }

  ask(type, room_id, seq, fields, id) {
    const known = this.#all.get(id);
    if (known) return known.promise;
    // The id stands before the text, so that it is found even where the text can't be read.
    const e = { id, frame: { type, room_id, seq, change_id: id, ...fields }, at: `${room_id} ${seq}`, sent: false, timers: [] };
    e.promise = new Promise((resolve, reject) => Object.assign(e, { resolve, reject }));
    e.timers.push(setTimeout(() => this.#fail(e, new ChatError({ code: 'timeout', retry: true })), this.#o.timeoutMs));
    this.#all.set(id, e);
    if (!this.#queues.has(e.at)) this.#queues.set(e.at, []);
    this.#queues.get(e.at).push(e);
    this.#pump(e.at);
    return e.promise;
  }

  /** A `done` frame. */
  done(f) {
    const e = this.#all.get(f.change_id);
    if (!e) return;
    this.#take(e);
    e.resolve(f);
    this.#pump(e.at);
  }

  /** An `error` frame; answers whether it was about a change. */
  refused(f) {
    const one = this.#all.get(f.ref);
    const about = one ? [one] : TYPES.has(f.ref) ? [...this.#all.values()].filter((e) => e.sent && e.frame.type === f.ref) : []; // refused before its id was read
    for (const e of about) {
      if (f.retry) this.#again(e, (f.retry_after_ms ?? 0) + this.#o.random() * 500);
      else this.#fail(e, new ChatError(f));
    }
    return about.length > 0;
  }

  /** The connection is there: what is unanswered is asked for again. */
  online() { for (const at of [...this.#queues.keys()]) this.#pump(at); }

  /** The connection is gone. */
  offline() {
    for (const e of this.#all.values()) {
      clearTimeout(e.timers[1]);
      e.sent = false;
    }
  }

  /** Nothing is asked for any more. */
  stop() { for (const e of [...this.#all.values()]) this.#fail(e, new ChatError({ code: 'stopped', retry: true })); }

  #pump(at) {
    const e = this.#queues.get(at)?.[0];
    if (!e || e.sent) return;
    const { message_bytes = Infinity, frame_bytes = Infinity } = this.#o.limits(); // what is larger would close the connection
    if (bytesOf(e.frame.content ?? '') > message_bytes || bytesOf(encode(e.frame)) > frame_bytes) return this.#fail(e, new ChatError({ code: 'too_large' }));
    if (!this.#o.transmit(e.frame)) return;
    e.sent = true;
    this.#again(e, DONE_MS);
  }

  #again(e, ms) {
    clearTimeout(e.timers[1]);
    e.timers[1] = setTimeout(() => { e.sent = false; this.#pump(e.at); }, ms);
  }

  #fail(e, err) {
    this.#take(e);
    e.reject(err);
    this.#pump(e.at);
  }

  #take(e) {
    e.timers.forEach(clearTimeout);
    this.#all.delete(e.id);
    const rest = (this.#queues.get(e.at) ?? []).filter((x) => x !== e);
    if (rest.length) this.#queues.set(e.at, rest); else this.#queues.delete(e.at);
  }
}
