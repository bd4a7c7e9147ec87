// Einklang in a web page: events with an offline queue, consent before anything, drafts of forms. No cookies.

import { Draft, type DraftOptions } from './draft';
import { Queue, type Call } from './queue';
import { randomId, Store } from './store';

export interface Options {
  writeKey: string;
  /** Address of the server; without: where this script came from. */
  host?: string;
  /** 'required': nothing is sent or stored before `consent(true)`. */
  consent?: 'required' | 'given';
}

type Properties = Record<string, unknown>;
const script = document.currentScript as HTMLScriptElement | null;

export class Einklang {
  private readonly store: Store;
  private readonly queue: Queue;
  private readonly host: string;
  private free: boolean;

  constructor(private readonly options: Options) {
    this.host = (options.host ?? (script ? new URL(script.src).origin : location.origin)).replace(/\/$/, '');
    this.store = new Store(`einklang:${options.writeKey}:`);
    this.free = options.consent !== 'required' || this.store.get('consent') === '1';
    this.queue = new Queue(this.store, `${this.host}/v1/b`, options.writeKey, () => this.free);
    if (this.free) void this.queue.flush();
  }

  /** Yes: from now on events are sent. No: what is stored in this browser is deleted, and nothing more is. */
  consent(given: boolean): void {
    this.free = given;
    if (given) this.store.set('consent', '1');
    else this.store.clear();
  }

  identify(userId: string | number, traits: Properties = {}): void {
    if (!this.free) return;
    this.store.set('user', String(userId));
    this.put({ type: 'identify', traits });
  }

  track(event: string, properties: Properties = {}): void {
    this.put({ type: 'track', event, properties });
  }

  page(name?: string, properties: Properties = {}): void {
    this.put({ type: 'page', ...(name ? { name } : {}), properties });
  }

  group(groupId: string | number, traits: Properties = {}): void {
    this.put({ type: 'group', groupId, traits });
  }

  /** Somebody else may use this browser now: who was here is forgotten; what waits is still sent. */
  reset(): void {
    this.store.drop('user');
    this.store.drop('device');
    this.store.clear('d:');
  }

  /** Save what is typed into a form, while it is typed. */
  draft(form: HTMLFormElement | string, options: DraftOptions = {}): Draft {
    const found = typeof form === 'string' ? document.querySelector<HTMLFormElement>(form) : form;
    if (!found) throw new Error(`einklang: no form ${String(form)}`);
    const who = { address: `${this.host}/v1/draft`, writeKey: this.options.writeKey, ids: () => this.ids(), allowed: () => this.free };
    return new Draft(found, this.store, who, options);
  }

  /** Send what waits now. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  private ids(): Record<string, string> {
    let device = this.store.get('device');
    if (!device) this.store.set('device', (device = randomId()));
    const user = this.store.get('user');
    return { anonymousId: device, ...(user ? { userId: user } : {}) };
  }

  private put(call: Call): void {
    if (!this.free) return;
    const page = { path: location.pathname, url: location.href, title: document.title, referrer: document.referrer, search: location.search };
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const context = { page, locale: navigator.language, timezone: zone, library: { name: 'einklang.js', version: '1' }, channel: 'browser' };
    this.queue.put({ ...call, ...this.ids(), context, messageId: randomId(), timestamp: new Date().toISOString() });
  }
}

export const load = (options: Options): Einklang => new Einklang(options);
