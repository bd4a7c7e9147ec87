import type { ReactNode } from 'react';

// Drawn for Einklang on a grid of 24, one stroke width.

const SHAPES = {
  live: <path d="M3 12h4l3-7 4 14 3-7h4" />,
  persons: (
    <>
      <circle cx="9" cy="8" r="3.5" />
      <path d="M2.5 20c.6-4 3-6 6.5-6s5.9 2 6.5 6M16 4.8a3.4 3.4 0 0 1 0 6.4M18 14.5c2 .8 3.2 2.6 3.5 5.5" />
    </>
  ),
  segments: (
    <>
      <circle cx="9" cy="12" r="6" />
      <circle cx="15" cy="12" r="6" />
    </>
  ),
  journeys: (
    <>
      <circle cx="5" cy="6" r="2" />
      <circle cx="19" cy="18" r="2" />
      <path d="M7 6h8a3 3 0 0 1 0 6H9a3 3 0 0 0 0 6h8" />
    </>
  ),
  reports: <path d="M4 20h16M7 16v-4M12 16V6M17 16V9" />,
  web: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18" />
    </>
  ),
  app: (
    <>
      <rect x="7" y="3" width="10" height="18" rx="2" />
      <path d="M11 18h2" />
    </>
  ),
  store: <path d="M4 9l2-5h12l2 5M4 9h16M5 9v11h14V9M10 20v-6h4v6" />,
  email: (
    <>
      <rect x="3" y="5" width="18" height="14" rx="2" />
      <path d="M4 7l8 6 8-6" />
    </>
  ),
  phone: <path d="M6 3h3l2 5-2.5 1.5a12 12 0 0 0 6 6L16 13l5 2v3a2 2 0 0 1-2 2A16 16 0 0 1 4 5a2 2 0 0 1 2-2z" />,
  service: <path d="M4 14v-2a8 8 0 0 1 16 0v2M4 13h3v5H6a2 2 0 0 1-2-2zM20 13h-3v5h1a2 2 0 0 0 2-2zM18 18c0 2-2 3-5 3" />,
  letter: <path d="M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6" />,
  chat: <path d="M4 5h16v11H10l-4 4v-4H4z" />,
  dot: <circle cx="12" cy="12" r="4" />,
  door: <path d="M6 21V4l9-1v18M15 5h3v16M3 21h18M12 12v.5" />,
  wave: <path d="M3 9c3-6 6-6 9 0s6 6 9 0M3 16c3-6 6-6 9 0s6 6 9 0" />,
  check: <path d="M5 12.5l4.5 4.5L19 7.5" />,
  cross: <path d="M6 6l12 12M18 6L6 18" />,
  minus: <path d="M6 12h12" />,
  clock: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M12 7v5l3 3" />
    </>
  ),
  info: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M12 11v5M12 7.5v.5" />
    </>
  ),
  alert: <path d="M12 4l9 16H3zM12 10v4M12 17v.3" />,
  search: (
    <>
      <circle cx="11" cy="11" r="6.5" />
      <path d="M16 16l4.5 4.5" />
    </>
  ),
  pause: <path d="M8 5v14M16 5v14" />,
  play: <path d="M8 5l11 7-11 7z" />,
  right: <path d="M9 5l7 7-7 7" />,
  left: <path d="M15 5l-7 7 7 7" />,
  down: <path d="M5 9l7 7 7-7" />,
  copy: <path d="M9 9h11v11H9zM15 5H4v11h1" />,
  sun: (
    <>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2" />
    </>
  ),
  moon: <path d="M20 14A8.5 8.5 0 0 1 10 4a8.5 8.5 0 1 0 10 10z" />,
  out: <path d="M14 4H5v16h9M10 12h11M17 8l4 4-4 4" />,
  download: <path d="M12 4v11M7 11l5 5 5-5M4 20h16" />,
  table: <path d="M4 5h16v14H4zM4 10h16M4 14.5h16M10 10v9" />,
  flag: <path d="M6 21V4h12l-3 4 3 4H6" />,
  user: (
    <>
      <circle cx="12" cy="8" r="4" />
      <path d="M4 21c.7-4.5 3.5-7 8-7s7.3 2.5 8 7" />
    </>
  ),
  branch: <path d="M12 21v-6M12 15c0-4-6-3-6-8V4M12 15c0-4 6-3 6-8V4M3.5 6L6 3.5 8.5 6M15.5 6L18 3.5 20.5 6" />,
  pen: <path d="M4 20l1-4L16 5l3 3L8 19zM13.5 7.5l3 3" />,
  loop: <path d="M20 12a8 8 0 1 1-2.5-5.8M20 3v5h-5" />,
  gift: <path d="M4 11h16v9H4zM3 7h18v4H3zM12 7v13M12 7c-5 0-5-4-2.5-4S12 7 12 7zM12 7c5 0 5-4 2.5-4S12 7 12 7z" />,
  scale: <path d="M12 4v16M7 20h10M5 7h14M5 7l-3 7h6zM19 7l-3 7h6z" />,
  down_arrow: <path d="M12 4v16M6 14l6 6 6-6" />,
  plus: <path d="M12 5v14M5 12h14" />,
  key: (
    <>
      <circle cx="8" cy="15" r="4.5" />
      <path d="M11.5 11.5L20 3M16 7l3 3M13.5 9.5l2 2" />
    </>
  ),
  catalog: <path d="M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11M9 8h6" />,
  aside: <path d="M4 13l3-8h10l3 8v6H4zM4 13h5a3 3 0 0 0 6 0h5" />,
  graph: (
    <>
      <circle cx="6" cy="6" r="2.5" />
      <circle cx="18" cy="8" r="2.5" />
      <circle cx="9" cy="18" r="2.5" />
      <path d="M8.4 6.5l7.1 1M7 8.4l1.4 7.2M16.3 9.9l-5.6 6.3" />
    </>
  ),
  box: <path d="M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9" />,
  join: <path d="M5 4c0 6 7 5 7 11v5M19 4c0 6-7 5-7 11" />,
  parted: <path d="M12 4v5c0 6-7 5-7 11M12 9c0 6 7 5 7 11" />,
  up_arrow: <path d="M12 20V4M6 10l6-6 6 6" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

/** A picture beside a text: hidden from screen readers, the text says it. */
export function Icon({ name, size = 18, stroke = 1.8 }: { name: IconName; size?: number; stroke?: number }) {
  return (
    <svg
      width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth={stroke}
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false"
    >
      {SHAPES[name]}
    </svg>
  );
}

export const touchpointIcon = (touchpoint: string | null, source: string): IconName => {
  if (source === 'einklang') return 'wave';
  switch (touchpoint) {
    case 'web': return 'web';
    case 'app': return 'app';
    case 'store': return 'store';
    case 'email': return 'email';
    case 'phone': return 'phone';
    case 'service': return 'service';
    case 'letter': return 'letter';
    case 'sms': case 'chat': return 'chat';
    default: return 'dot';
  }
};

export const stepIcon = (kind: string): IconName => {
  switch (kind) {
    case 'wait': case 'until': return 'clock';
    case 'branch': case 'split': return 'branch';
    case 'contact': return 'chat';
    case 'set': case 'assign': case 'track': return 'pen';
    case 'repeat': case 'limit': return 'loop';
    case 'offer': case 'voucher': return 'gift';
    case 'task': return 'user';
    case 'end': return 'flag';
    default: return 'dot';
  }
};

export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" strokeWidth="2.8" strokeLinecap="round" aria-hidden="true" focusable="false">
      <path d="M4 13.2c4-8.2 8-8.2 12 0s8 8.2 12 0" stroke="var(--ek-wave-1)" />
      <path d="M4 21c4-8.2 8-8.2 12 0s8 8.2 12 0" stroke="var(--ek-wave-2)" />
    </svg>
  );
}
