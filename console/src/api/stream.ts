import { useSyncExternalStore } from 'react';
import type { Entry, Status } from './types';

// One connection to /api/stream for the whole console. Entries are gathered and handed on a few times a second,
// so that a busy log costs a handful of renderings and not one an event.

export type Connection = 'connecting' | 'open' | 'lost';

export interface Live {
  connection: Connection;
  /** Newest first, at most KEPT. */
  entries: Entry[];
  /** How many arrived at this screen since it was opened. */
  arrived: number;
  /** Arrivals a bucket of BUCKET_MS, oldest first. */
  pulse: number[];
}

const KEPT = 400;
const FLUSH_MS = 300;
const AGAIN_MS = 3_000;
export const BUCKET_MS = 2_000;
export const BUCKETS = 60;

type Hook = (entries: Entry[]) => void;

class LiveStore {
  private state: Live = { connection: 'connecting', entries: [], arrived: 0, pulse: new Array<number>(BUCKETS).fill(0) };
  private waiting: Entry[] = [];
  private readonly watchers = new Set<() => void>();
  private readonly hooks = new Set<Hook>();
  private source: EventSource | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;
  private beat: ReturnType<typeof setInterval> | null = null;
  private again: ReturnType<typeof setTimeout> | null = null;
  onStatus: (status: Status) => void = () => undefined;

  open(): void {
    if (this.source !== null) return;
    this.source = this.connect();
    this.timer = setInterval(() => this.flush(), FLUSH_MS);
    this.beat = setInterval(() => this.put({ pulse: [...this.state.pulse.slice(1), 0] }), BUCKET_MS);
  }

  private reopen(): void {
    if (this.source !== null) this.source = this.connect();
  }

  private connect(): EventSource {
    const source = new EventSource('/api/stream');
    source.onopen = () => this.put({ connection: 'open' });
    source.onerror = () => {
      this.put({ connection: 'lost' });
      // The browser tries again by itself, but not after an answer that was a refusal.
      if (source.readyState === EventSource.CLOSED) this.again = setTimeout(() => this.reopen(), AGAIN_MS);
    };
    source.onmessage = (message: MessageEvent<string>) => {
      this.waiting.push(JSON.parse(message.data) as Entry);
    };
    source.addEventListener('status', (message: MessageEvent<string>) => this.onStatus(JSON.parse(message.data) as Status));
    return source;
  }

  close(): void {
    this.source?.close();
    this.source = null;
    if (this.timer !== null) clearInterval(this.timer);
    if (this.beat !== null) clearInterval(this.beat);
    if (this.again !== null) clearTimeout(this.again);
    this.waiting = [];
    this.put({ connection: 'connecting', entries: [], arrived: 0, pulse: new Array<number>(BUCKETS).fill(0) });
  }

  /** Is told of every handful of new entries; returns how to stop. */
  onEntries(hook: Hook): () => void {
    this.hooks.add(hook);
    return () => this.hooks.delete(hook);
  }

  private flush(): void {
    if (this.waiting.length === 0) return;
    const fresh = this.waiting.reverse();
    this.waiting = [];
    const pulse = [...this.state.pulse];
    pulse[BUCKETS - 1] = (pulse[BUCKETS - 1] ?? 0) + fresh.length;
    this.put({ entries: [...fresh, ...this.state.entries].slice(0, KEPT), arrived: this.state.arrived + fresh.length, pulse });
    for (const hook of this.hooks) hook(fresh);
  }

  private put(change: Partial<Live>): void {
    this.state = { ...this.state, ...change };
    for (const watcher of this.watchers) watcher();
  }

  subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  read = (): Live => this.state;
}

export const live = new LiveStore();

export const useLive = (): Live => useSyncExternalStore(live.subscribe, live.read);
