// Events wait in the browser until the server has them on its disk; what is sent twice counts once (messageId).

import type { Store } from './store';

const EVENTS_MAX = 1000;
const BATCH_MAX = 100;
const BATCH_CHARS_MAX = 100_000;
const BEACON_CHARS_MAX = 60_000;
const COLLECT = '/v1/b';
const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 60_000;

export type Call = Record<string, unknown>;

/** Seconds that an answer asks to wait, as milliseconds; 0 without. */
export function retryAfter(answer: Response): number {
  return 1000 * (Number(answer.headers.get('retry-after')) || 0);
}

/** Growing pauses with some chance in them, so that many browsers do not come back at once. */
export function pauseAfter(failures: number, wished = 0): number {
  const grown = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** failures) * (0.5 + Math.random() / 2);
  return Math.max(wished, grown);
}

export class Queue {
  private timer = 0;
  private failures = 0;
  private told = '';
  private sending: Promise<unknown> | null = null;

  constructor(
    private readonly store: Store,
    private readonly host: string,
    private readonly writeKey: string,
    private readonly allowed: () => boolean,
  ) {
    addEventListener('online', () => void this.flush());
    addEventListener('pagehide', () => this.leave());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.leave();
    });
  }

  put(call: Call): void {
    const waiting = this.store.names('q:');
    for (const name of waiting.slice(0, Math.max(0, waiting.length - EVENTS_MAX + 1))) this.store.drop(name);
    const order = Date.now().toString(36).padStart(9, '0') + String(waiting.length % 1e4).padStart(4, '0');
    this.store.set(`q:${order}:${String(call['messageId'])}`, JSON.stringify(call));
    this.later(0);
  }

  /** Send what waits; done when the server has it, or when it has to be tried again later. */
  async flush(): Promise<void> {
    const waited = this.sending !== null;
    while (this.sending) await this.sending;
    if (waited && (this.timer || !this.store.names('q:').length)) return; // sent with the others, or it is tried again
    await this.alone(() => this.all());
  }

  /** Send what waits and ask in the same request. Undefined if no answer came in time; nothing is lost by that. */
  ask(path: string, asked: Call, ms: number): Promise<unknown> {
    const late = new Promise<undefined>((done) => setTimeout(() => done(undefined), ms));
    return Promise.race([late, this.asking(path, asked).catch(() => undefined)]);
  }

  private async asking(path: string, asked: Call): Promise<unknown> {
    while (this.sending) await this.sending;
    return this.alone(async () => {
      if (this.store.names('q:').length > BATCH_MAX) await this.all();
      const names = this.batch(BATCH_CHARS_MAX);
      try {
        const answer = await this.post(path, names, asked);
        const found: unknown = await answer.json();
        if (!answer.ok) return undefined;
        for (const name of names) this.store.drop(name);
        return found;
      } finally {
        if (this.store.names('q:').length) this.later(PAUSE_MS); // what was put meanwhile, or not taken
      }
    });
  }

  /** One sends at a time, so that events arrive in their order. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.timer);
    this.timer = 0;
    const sending = work().finally(() => (this.sending = null));
    this.sending = sending.catch(() => undefined);
    return sending;
  }

  private post(path: string, names: string[], asked: Call = {}): Promise<Response> {
    const body = this.body(names, asked);
    const init: RequestInit = { method: 'POST', body, credentials: 'omit', keepalive: body.length < BEACON_CHARS_MAX };
    return fetch(this.host + path, { ...init, headers: { 'content-type': 'text/plain' } });
  }

  private later(ms: number): void {
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0; // else what fails now would never be tried again
      void this.flush();
    }, ms);
  }

  private batch(chars: number): string[] {
    const names: string[] = [];
    let size = 0;
    for (const name of this.store.names('q:').slice(0, BATCH_MAX)) {
      size += (this.store.get(name) ?? '').length;
      if (names.length && size > chars) break;
      names.push(name);
    }
    return names;
  }

  private body(names: string[], asked: Call = {}): string {
    const calls = names.map((name) => this.store.get(name)).filter(Boolean);
    const head = JSON.stringify({ writeKey: this.writeKey, ...asked, sentAt: new Date().toISOString() });
    return `${head.slice(0, -1)},"batch":[${calls.join(',')}]}`;
  }

  private async all(): Promise<void> {
    let chars = BATCH_CHARS_MAX;
    for (let names = this.batch(chars); names.length && this.allowed(); names = this.batch(chars)) {
      let status = 0;
      let wished = 0;
      try {
        const answer = await this.post(COLLECT, names);
        status = answer.status;
        wished = retryAfter(answer);
      } catch {
        status = 0; // no network
      }
      if (status === 413 && names.length > 1) {
        chars = chars >> 1;
      } else if (status === 0 || status === 401 || status === 408 || status === 429 || status >= 500) {
        return this.later(pauseAfter(this.failures++, wished));
      } else {
        this.failures = 0; // taken, or refused for good
        for (const name of names) this.store.drop(name);
      }
    }
  }

  /** The page goes: hand over what fits. It stays here too, as nobody hears the answer; the server counts it once. */
  private leave(): void {
    const names = this.allowed() ? this.batch(BEACON_CHARS_MAX) : [];
    const told = names.join();
    if (told === this.told) return; // two signs that the page goes are one
    this.told = told;
    if (names.length) navigator.sendBeacon(this.host + COLLECT, new Blob([this.body(names)], { type: 'text/plain' }));
  }
}
