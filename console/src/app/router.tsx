import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Link, Outlet, redirect, type ErrorComponentProps,
} from '@tanstack/react-router';
import { ApiError } from '../api/client';
import { sessionQuery, type TimelineFilter } from '../api/queries';
import { useWords } from '../i18n';
import { Journey } from '../pages/Journey';
import { Journeys } from '../pages/Journeys';
import { Live } from '../pages/Live';
import { Person } from '../pages/Person';
import { Persons } from '../pages/Persons';
import { Reports } from '../pages/Reports';
import { Segment } from '../pages/Segment';
import { Segments } from '../pages/Segments';
import { SignIn } from '../pages/SignIn';
import { Empty, Failure } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { Shell } from './Shell';

// A validator names all its keys: what it leaves out the router would take over unchecked.
const text = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '');

function NotFound() {
  const { t } = useWords();
  return (
    <Empty icon="search" title={t.app.notFoundTitle} text={t.app.notFoundText}>
      <p style={{ textAlign: 'center' }}><Link to="/" className={ui.textLink ?? ''}>{t.app.notFoundAction}</Link></p>
    </Empty>
  );
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <main style={{ maxWidth: 640, margin: '4rem auto', padding: '0 1rem' }}>
      <Failure error={error} retry={() => { reset(); window.location.reload(); }} />
    </main>
  );
}

const dataPages = () => import('../pages/data_pages');

const root = createRootRouteWithContext<{ client: QueryClient }>()({ component: Outlet, notFoundComponent: NotFound, errorComponent: Broken });

export interface SignInSearch { next?: string | undefined }
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: SignIn,
  // Only addresses of this console: a foreign one would make an open redirect.
  validateSearch: (search): SignInSearch => ({ next: /^\/(?![/\\])/.test(text(search['next'])) ? text(search['next']) : undefined }),
});

const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.client.ensureQueryData(sessionQuery);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        throw redirect({ to: '/sign-in', search: location.pathname === '/' ? {} : { next: location.href } });
      }
      throw error;
    }
  },
});

const OUTCOMES = ['accepted', 'refused', 'aside'] as const;
export type Outcome = (typeof OUTCOMES)[number];
export interface LiveSearch {
  outcome?: Outcome | undefined; touchpoint?: string | undefined; name?: string | undefined; source?: string | undefined; person?: string | undefined;
}
const livePage = createRoute({
  getParentRoute: () => inside,
  path: '/',
  component: Live,
  validateSearch: (search): LiveSearch => ({
    outcome: OUTCOMES.find((one) => one === search['outcome']),
    touchpoint: text(search['touchpoint']) || undefined,
    name: text(search['name']) || undefined,
    source: text(search['source']) || undefined,
    person: text(search['person']) || undefined,
  }),
});

export interface PersonsSearch { q?: string | undefined }
const persons = createRoute({
  getParentRoute: () => inside,
  path: '/persons',
  component: Persons,
  validateSearch: (search): PersonsSearch => ({ q: text(search['q']) || undefined }),
});

const TABS = ['timeline', 'objects', 'drafts', 'why', 'traits', 'identity'] as const;
export type PersonTab = (typeof TABS)[number];
export interface PersonSearch { tab?: PersonTab | undefined; show?: TimelineFilter | undefined; journey?: string | undefined }
const person = createRoute({
  getParentRoute: () => inside,
  path: '/persons/$id',
  component: Person,
  validateSearch: (search): PersonSearch => ({
    tab: TABS.find((name) => name === search['tab']),
    show: (['all', 'event', 'decision'] as const).find((name) => name === search['show']),
    journey: text(search['journey']) || undefined,
  }),
});

export interface MergeSearch { other?: string | undefined }
const mergePerson = createRoute({
  getParentRoute: () => inside,
  path: '/persons/$id/merge',
  component: lazyRouteComponent(dataPages, 'MergePerson'),
  validateSearch: (search): MergeSearch => ({ other: text(search['other']) || undefined }),
});
const splitPerson = createRoute({ getParentRoute: () => inside, path: '/persons/$id/split', component: lazyRouteComponent(dataPages, 'SplitPerson') });

const drafts = createRoute({ getParentRoute: () => inside, path: '/drafts', component: lazyRouteComponent(dataPages, 'Drafts') });

export interface ReviewsSearch { person?: string | undefined }
const reviews = createRoute({
  getParentRoute: () => inside,
  path: '/reviews',
  component: lazyRouteComponent(dataPages, 'Reviews'),
  validateSearch: (search): ReviewsSearch => ({ person: text(search['person']) || undefined }),
});

export interface CatalogSearch { q?: string | undefined; origin?: string | undefined }
const catalog = createRoute({
  getParentRoute: () => inside,
  path: '/catalog',
  component: lazyRouteComponent(dataPages, 'Catalog'),
  validateSearch: (search): CatalogSearch => ({ q: text(search['q']) || undefined, origin: text(search['origin']) || undefined }),
});
const catalogEvent = createRoute({ getParentRoute: () => inside, path: '/catalog/$name', component: lazyRouteComponent(dataPages, 'CatalogEvent') });

export interface LettersSearch { code?: string | undefined }
const deadLetters = createRoute({
  getParentRoute: () => inside,
  path: '/dead-letters',
  component: lazyRouteComponent(dataPages, 'DeadLetters'),
  validateSearch: (search): LettersSearch => ({ code: text(search['code']) || undefined }),
});

const destinations = createRoute({ getParentRoute: () => inside, path: '/destinations', component: lazyRouteComponent(dataPages, 'Destinations') });
const sources = createRoute({ getParentRoute: () => inside, path: '/sources', component: lazyRouteComponent(dataPages, 'Sources') });

export interface ProductsSearch { q?: string | undefined }
const products = createRoute({
  getParentRoute: () => inside,
  path: '/products',
  component: lazyRouteComponent(dataPages, 'Products'),
  validateSearch: (search): ProductsSearch => ({ q: text(search['q']) || undefined }),
});
const product = createRoute({ getParentRoute: () => inside, path: '/products/$id', component: lazyRouteComponent(dataPages, 'Product') });

const groups = createRoute({ getParentRoute: () => inside, path: '/groups/$type', component: lazyRouteComponent(dataPages, 'Groups') });
const group = createRoute({ getParentRoute: () => inside, path: '/groups/$type/$id', component: lazyRouteComponent(dataPages, 'Group') });

const segments = createRoute({ getParentRoute: () => inside, path: '/segments', component: Segments });
export interface SegmentSearch { person?: string | undefined }
const segment = createRoute({
  getParentRoute: () => inside,
  path: '/segments/$id',
  component: Segment,
  validateSearch: (search): SegmentSearch => ({ person: text(search['person']) || undefined }),
});
const segmentPages = () => import('../pages/segment_pages');
const newSegment = createRoute({ getParentRoute: () => inside, path: '/segments/new', component: lazyRouteComponent(segmentPages, 'NewSegment') });
const editSegment = createRoute({ getParentRoute: () => inside, path: '/segments/$id/edit', component: lazyRouteComponent(segmentPages, 'EditSegment') });
const journeys = createRoute({ getParentRoute: () => inside, path: '/journeys', component: Journeys });
const journey = createRoute({ getParentRoute: () => inside, path: '/journeys/$id', component: Journey });
const reports = createRoute({ getParentRoute: () => inside, path: '/reports', component: Reports });
const report = createRoute({
  getParentRoute: () => inside,
  path: '/journeys/$id/report',
  component: lazyRouteComponent(() => import('../pages/Report'), 'Report'),
});

const tree = root.addChildren([
  signIn,
  inside.addChildren([
    livePage, persons, person, mergePerson, splitPerson, segments, newSegment, segment, editSegment, journeys, journey, reports, report,
    groups, group, products, product, catalog, catalogEvent, deadLetters, reviews, sources, destinations, drafts,
  ]),
]);

export const makeRouter = (client: QueryClient) =>
  createRouter({ routeTree: tree, context: { client }, defaultPreload: false, scrollRestoration: true, defaultErrorComponent: Broken });

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
