// A form whose content is saved while it is filled in, visibly, so that it can be gone on with elsewhere.

import { pauseAfter, retryAfter } from './queue';
import type { Store } from './store';

const QUIET_MS = 800;
const WORDS = {
  en: { saved: 'Saved', saving: 'Saving …', waiting: 'Not saved yet', restored: 'Restored', off: 'Not saved' },
  de: { saved: 'Gespeichert', saving: 'Wird gespeichert …', waiting: 'Noch nicht gespeichert', restored: 'Wiederhergestellt', off: 'Wird nicht gespeichert' },
};

export type DraftState = keyof (typeof WORDS)['en'];
type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
type Answer = { draft: string; version: number; status: string; fields?: Record<string, unknown>; code?: string; codeEndsAt?: string };

export interface DraftOptions {
  /** Name of the form; without: its id or name. */
  name?: string;
  /** Token of a draft that the owner began elsewhere, from the shop's own server; what was begun in this browser goes first. */
  token?: string;
  /** Where to say how it stands; without: an <output> is added to the end of the form. */
  status?: HTMLElement;
}

export interface Who {
  address: string;
  writeKey: string;
  ids: () => Record<string, string>;
  allowed: () => boolean;
}

/** Whether a field may be saved: nothing secret, nothing that pays, nothing that its author left out. */
function savable(field: Field): boolean {
  const hint = field.autocomplete || '';
  const secret = ['password', 'file', 'hidden', 'submit', 'button', 'reset', 'image'].includes(field.type);
  return !!field.name && !secret && !/^cc-|password|one-time-code/.test(hint) && field.dataset['draft'] !== 'off';
}

export class Draft {
  private readonly name: string;
  private readonly shown: HTMLElement;
  private readonly touched = new Set<string>();
  private version: number | undefined;
  private timer = 0;
  private failures = 0;
  private turn: Promise<unknown> = Promise.resolve();
  private open = true;

  constructor(
    private readonly form: HTMLFormElement,
    private readonly store: Store,
    private readonly who: Who,
    options: DraftOptions,
  ) {
    this.name = options.name || form.id || form.getAttribute('name') || location.pathname;
    this.shown = options.status ?? form.appendChild(document.createElement('output'));
    form.addEventListener('input', (event) => {
      this.touched.add((event.target as Field).name);
      this.say('waiting');
      this.later(QUIET_MS);
    });
    form.addEventListener('submit', () => void this.close('submitted'));
    addEventListener('online', () => this.later(0));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden' && this.touched.size) void this.save();
    });
    if (who.allowed() && options.token && !this.token()) store.set(this.place(), options.token);
    if (who.allowed()) void this.restore();
    else this.say('off');
  }

  /** Save now; done when it is on the server's disk, or when it has to be tried again later. */
  save(): Promise<void> {
    return this.inTurn(() => this.saveOnce());
  }

  /** A code for the phone, with which an agent finds this draft: ABCD-EFGH, for half an hour. */
  async code(): Promise<string | undefined> {
    return (await this.inTurn(() => this.send({ fields: this.fields(), code: true })))?.code;
  }

  /** Sent or given up: it is offered nowhere any more. */
  async close(outcome: 'submitted' | 'discarded'): Promise<void> {
    clearTimeout(this.timer);
    this.open = false;
    if (this.token()) await this.inTurn(() => this.send({ outcome }));
    this.store.drop(this.place());
  }

  private place = (): string => `d:${this.name}`;
  private token = (): string | null => this.store.get(this.place());

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.turn.then(work);
    this.turn = next.catch(() => undefined);
    return next;
  }

  private say(state: DraftState): void {
    const words = document.documentElement.lang.startsWith('de') ? WORDS.de : WORDS.en;
    const at = state === 'saved' ? ` ${new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}` : '';
    this.shown.dataset['state'] = state;
    this.shown.textContent = words[state] + at;
  }

  private later(ms: number): void {
    clearTimeout(this.timer);
    if (this.open && this.touched.size) this.timer = window.setTimeout(() => void this.save(), ms);
  }

  private named(): Field[] {
    return (Array.from(this.form.elements) as Field[]).filter(savable);
  }

  private fields(): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const field of this.named()) {
      if (field instanceof HTMLInputElement && field.type === 'radio' && !field.checked) continue;
      if (field instanceof HTMLInputElement && field.type === 'checkbox') {
        found[field.name] = { ...(found[field.name] as object), [field.value]: field.checked };
      } else found[field.name] = field.value;
    }
    return found;
  }

  private fill(said: Record<string, unknown>): void {
    for (const field of this.named()) {
      const value = said[field.name];
      if (value === undefined || this.touched.has(field.name)) continue;
      if (field instanceof HTMLInputElement && (field.type === 'checkbox' || field.type === 'radio')) {
        field.checked = field.type === 'radio' ? field.value === value : !!(value as Record<string, boolean>)[field.value];
      } else field.value = String(value);
      field.dispatchEvent(new Event('change', { bubbles: true }));
    }
  }

  private async restore(): Promise<void> {
    const there = await this.inTurn(() => this.load());
    if (there?.status === 'open') this.say('restored');
  }

  private async load(): Promise<Answer | undefined> {
    const token = this.token();
    if (!token) return undefined;
    try {
      const answer = await fetch(this.who.address, { headers: { authorization: `Bearer ${token}` }, credentials: 'omit' });
      const found = (await answer.json()) as Answer;
      if (answer.status === 404 || found.status !== 'open') this.store.drop(this.place());
      if (!answer.ok) return undefined;
      this.version = found.version;
      if (found.status === 'open') this.fill(found.fields ?? {});
      return found;
    } catch {
      return undefined; // no network: it is there when it comes back
    }
  }

  private async saveOnce(): Promise<void> {
    if (!this.open || !this.who.allowed()) return this.say('off');
    const saving = [...this.touched];
    this.say('saving');
    if (await this.send({ fields: this.fields() })) {
      this.failures = 0;
      for (const name of saving) this.touched.delete(name);
      this.say('saved');
    } else this.say('waiting');
  }

  private async send(said: Record<string, unknown>): Promise<Answer | undefined> {
    const token = this.token();
    const own = token ? { draft: token, version: this.version } : { form: this.name };
    const body = JSON.stringify({ writeKey: this.who.writeKey, ...this.who.ids(), ...own, ...said });
    let wished = 0;
    try {
      const init: RequestInit = { method: 'POST', body, credentials: 'omit', keepalive: body.length < 60_000 };
      const answer = await fetch(this.who.address, { ...init, headers: { 'content-type': 'text/plain' } });
      const found = (await answer.json()) as Answer & { code?: string };
      if (answer.ok) {
        this.version = found.version;
        this.store.set(this.place(), found.draft);
        return found;
      }
      wished = retryAfter(answer);
      if (found.code === 'draft_changed') await this.load(); // somebody went on with it: what was typed here stays
      else if (answer.status < 429 && answer.status !== 408) this.store.drop(this.place()); // closed, or somebody else's
    } catch {
      wished = 0; // no network
    }
    this.later(pauseAfter(this.failures++, wished));
    return undefined;
  }
}
