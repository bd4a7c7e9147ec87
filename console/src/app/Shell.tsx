import { AppShell, Burger, Menu, UnstyledButton, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { remove } from '../api/client';
import { sessionQuery, statusQuery } from '../api/queries';
import { live } from '../api/stream';
import type { Entry, Status } from '../api/types';
import { type Language, useWords, word } from '../i18n';
import { Icon, type IconName, Mark } from '../ui/icons';
import css from './shell.module.css';

const ITEMS = [
  { to: '/', name: 'live', icon: 'live' },
  { to: '/persons', name: 'persons', icon: 'persons' },
  { to: '/drafts', name: 'drafts', icon: 'pen' },
  { to: '/segments', name: 'segments', icon: 'segments' },
  { to: '/journeys', name: 'journeys', icon: 'journeys' },
  { to: '/reports', name: 'reports', icon: 'reports' },
] as const satisfies { to: string; name: string; icon: IconName }[];

/** What comes in, what becomes of it, and who is who: for those who look after the data. */
const DATA = [
  { to: '/products', name: 'products', icon: 'box' },
  { to: '/catalog', name: 'catalog', icon: 'catalog' },
  { to: '/dead-letters', name: 'deadLetters', icon: 'aside' },
  { to: '/reviews', name: 'reviews', icon: 'join' },
  { to: '/sources', name: 'sources', icon: 'key' },
  { to: '/destinations', name: 'destinations', icon: 'out' },
] as const satisfies { to: string; name: string; icon: IconName }[];

function Brand() {
  return (
    <Link to="/" className={css.brand ?? ''}>
      <Mark size={30} /> Einklang
    </Link>
  );
}

export function Languages() {
  const { language, choose, t } = useWords();
  const names: [Language, string][] = [['de', 'Deutsch'], ['en', 'English']];
  return (
    <div className={css.languages} role="group" aria-label={t.app.languageLabel}>
      {names.map(([code, name]) => (
        <button type="button" key={code} lang={code} aria-pressed={language === code} onClick={() => choose(code)}>{name}</button>
      ))}
    </div>
  );
}

function Account() {
  const { t } = useWords();
  const { data: session } = useQuery(sessionQuery);
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const client = useQueryClient();
  const navigate = useNavigate();
  if (session === undefined) return null;
  const leave = async () => {
    await remove('/api/session').catch(() => undefined);
    live.close();
    client.clear();
    await navigate({ to: '/sign-in' });
  };
  const schemes = [['light', t.app.schemeLight, 'sun'], ['dark', t.app.schemeDark, 'moon'], ['auto', t.app.schemeAuto, 'scale']] as const;
  return (
    <Menu position="top-start" width={220} shadow="md">
      <Menu.Target>
        <UnstyledButton className={css.account ?? ''} aria-label={t.app.account(session.name)}>
          <span className={css.initials} aria-hidden="true">{session.name.slice(0, 2).toUpperCase()}</span>
          <span className={css.accountText}><b>{session.name}</b><small>{word(t.words.role, session.role)}</small></span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t.app.scheme}</Menu.Label>
        {schemes.map(([scheme, name, icon]) => (
          <Menu.Item
            key={scheme} leftSection={<Icon name={icon} size={16} />} onClick={() => setColorScheme(scheme)}
            rightSection={colorScheme === scheme ? <Icon name="check" size={14} /> : undefined}
          >
            {name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<Icon name="out" size={16} />} onClick={() => void leave()}>{t.app.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

/** Entries without a person that change a list on the screen. */
const TOUCHED: { [event: string]: string[] } = { 'Destination Changed': ['destinations', 'deliveries'], 'Segment Exported': ['destinations', 'exports'] };

/** Keeps what is on the screen true: statuses go into the cache, entries make the lists they touch ask again (at most every 2 s). */
function useLiveUpdates(): void {
  const client = useQueryClient();
  useEffect(() => {
    const stale = new Set<string>();
    const note = (entries: Entry[]) => {
      for (const entry of entries) {
        if (entry.person_id !== null) stale.add(entry.person_id);
        for (const kind of TOUCHED[entry.name] ?? []) stale.add(kind);
      }
    };
    live.onStatus = (status: Status) => client.setQueryData(statusQuery.queryKey, status);
    live.open();
    const stop = live.onEntries(note);
    const timer = setInterval(() => {
      if (stale.size === 0) return;
      void client.invalidateQueries({
        predicate: ({ queryKey: [kind, id] }) =>
          (['person', 'timeline', 'why', 'objects', 'identity', 'groups-of', 'drafts-of'].includes(String(kind)) && stale.has(String(id))) || stale.has(String(kind)) || kind === 'segments' || kind === 'journeys',
      });
      stale.clear();
    }, 2_000);
    return () => {
      stop();
      clearInterval(timer);
      live.close();
    };
  }, [client]);
}

type Item = (typeof ITEMS)[number] | (typeof DATA)[number];
type Counts = Partial<Record<Item['name'], number>>;

const active = (to: string, path: string): boolean =>
  to === '/' ? path === '/' : to === '/reports' ? path.startsWith('/reports') || path.endsWith('/report')
    : to === '/persons' ? path.startsWith('/persons') || path.startsWith('/groups') : path.startsWith(to) && !path.endsWith('/report');

function Items({ items, counts, path }: { items: readonly Item[]; counts: Counts; path: string }) {
  const { t, f } = useWords();
  return (
    <ul className={css.items}>
      {items.map((item) => (
        <li key={item.to}>
          <Link to={item.to} className={css.item ?? ''} aria-current={active(item.to, path) ? 'page' : undefined} activeOptions={{ exact: true }}>
            <Icon name={item.icon} size={19} />
            <span className={css.itemText}>{t.nav[item.name]}</span>
            {counts[item.name] !== undefined && <span className={css.count}>{f.number(counts[item.name] ?? 0)}</span>}
          </Link>
        </li>
      ))}
    </ul>
  );
}

export function Shell() {
  const { t, f, suggest } = useWords();
  const [open, { toggle, close }] = useDisclosure(false);
  const { data: status } = useQuery(statusQuery);
  const { data: session } = useQuery(sessionQuery);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useLiveUpdates();
  useEffect(() => {
    if (session !== undefined) suggest(session.language);
  }, [session, suggest]);
  useEffect(() => close(), [path, close]);

  const counts: Counts = status === undefined ? {} : {
    persons: status.persons, segments: status.segments, journeys: status.journeys, ...(status.dead_letters > 0 && { deadLetters: status.dead_letters }),
  };
  return (
    <AppShell header={{ height: { base: 56, sm: 0 } }} navbar={{ width: 244, breakpoint: 'sm', collapsed: { mobile: !open } }} padding={0}>
      <a href="#content" className={css.skip}>{t.app.skip}</a>
      <AppShell.Header className={css.header ?? ''} hiddenFrom="sm">
        <Burger opened={open} onClick={toggle} size="sm" color="#fff" aria-label={open ? t.app.closeNavigation : t.app.openNavigation} />
        <Brand />
      </AppShell.Header>
      <AppShell.Navbar className={css.navbar ?? ''} aria-label={t.app.navigation}>
        <div className="mantine-visible-from-sm"><Brand /></div>
        <p className={css.company}>{status?.company ?? '\u00a0'}</p>
        <Items items={ITEMS} counts={counts} path={path} />
        <p className={css.group}>{t.nav.data}</p>
        <Items items={DATA} counts={counts} path={path} />
        <div className={css.grow} />
        <div className={css.foot}>
          <Languages />
          <Account />
          {status !== undefined && (
            <div className={css.meta}>{f.moment(status.now)}<br />{t.app.version(status.version)}</div>
          )}
        </div>
      </AppShell.Navbar>
      <AppShell.Main>
        <div className={css.main} id="content" tabIndex={-1} style={{ outline: 'none' }}>
          <Outlet />
        </div>
      </AppShell.Main>
    </AppShell>
  );
}
