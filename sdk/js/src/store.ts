// What is kept in the browser. One entry an event, so that two tabs never write over each other's queue.

export class Store {
  private readonly memory = new Map<string, string>();
  private readonly local: Storage | null;

  constructor(private readonly prefix: string) {
    let local: Storage | null = null;
    try {
      local = window.localStorage;
      local.getItem(prefix);
    } catch {
      local = null; // blocked by the browser: this page alone remembers
    }
    this.local = local;
  }

  get(name: string): string | null {
    const kept = this.memory.get(name);
    return kept ?? this.local?.getItem(this.prefix + name) ?? null;
  }

  set(name: string, value: string): void {
    try {
      if (!this.local) throw new Error();
      this.local.setItem(this.prefix + name, value);
      this.memory.delete(name);
    } catch {
      this.memory.set(name, value); // no room, or blocked
    }
  }

  drop(name: string): void {
    this.memory.delete(name);
    this.local?.removeItem(this.prefix + name);
  }

  /** Names that begin with this, in order. */
  names(start: string): string[] {
    const found = [...this.memory.keys()].filter((name) => name.startsWith(start));
    const whole = this.prefix + start;
    for (let place = 0; this.local && place < this.local.length; place++) {
      const key = this.local.key(place);
      if (key?.startsWith(whole)) found.push(key.slice(this.prefix.length));
    }
    return [...new Set(found)].sort();
  }

  clear(start = ''): void {
    for (const name of this.names(start)) this.drop(name);
  }
}

/** 128 random bits; randomUUID is there on https pages only. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
