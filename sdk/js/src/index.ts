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

/** What a page may know of its visitor. */
export interface Visitor {
  /** Whom it is about: this device, the person signed in on it (as a server said), or nobody who may be named. */
  visitor: 'device' | 'person' | 'nobody';
  /** The published segments that the visitor is in. */
  segments: string[];
  /** Whether everything that was sent counts. */
  upToDate: boolean;
  /** Until when it is decided; empty where nothing was heard. */
  asOf: string;
}

const ANSWER_MS = 2000;
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
    this.queue = new Queue(this.store, this.host, options.writeKey, () => this.free);
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

  /** Send what waits, and learn what the page may know of its visitor, these events included. Answers in any case. */
  async personalize(): Promise<Visitor> {
    const asked = this.free ? { anonymousId: this.device() } : null;
    const told = asked && ((await this.queue.ask('/v1/personalize', asked, ANSWER_MS)) as Visitor | undefined);
    // Consent may have gone, or the visitor, while the answer was under way: then it is nobody's.
    if (!told || !this.free || this.device() !== asked?.anonymousId) return { visitor: 'nobody', segments: [], upToDate: false, asOf: '' };
    const { visitor, segments, upToDate, asOf } = told;
    return { visitor, segments, upToDate, asOf };
  }

  /** The id of this browser, for the sign-in form of the shop's own server; empty without consent. */
  device(): string {
    if (!this.free) return '';
    let device = this.store.get('device');
    if (!device) this.store.set('device', (device = randomId()));
    return device;
  }

  /** Send what waits now. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  private ids(): Record<string, string> {
    const user = this.store.get('user');
    return { anonymousId: this.device(), ...(user ? { userId: user } : {}) };
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
