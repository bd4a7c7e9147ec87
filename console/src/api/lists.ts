// Static lists and exports. Fields as in app/queries_exports.py.
import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { get, withQuery } from './client';
import type { Page } from './types';

export interface RefusedRow {
  row: number;
  code: string;
  message: string;
  mend: string;
}

export interface ListedAnswer {
  segment: string;
  new: boolean;
  rows: number;
  listed: number;
  unlisted: number;
  created: number;
  rejected: number;
  reasons: Record<string, number>;
  refused: RefusedRow[];
}

export interface ExportedAnswer {
  segment: string;
  purpose: string;
  file: string;
  format: string;
  persons: number;
  left_out: Record<string, number>;
  columns: Record<string, string>;
  hash: string;
  until: string;
}

export interface ExportShown {
  seq: number;
  at: string;
  segment: string;
  destination: string;
  actor: string;
  purpose: string;
  format: string;
  columns: Record<string, string>;
  persons: number;
  left_out: Record<string, number>;
  hash: string;
  file: string;
  there: boolean;
}

export const contentOf = (file: string): string => `/api/exports/${encodeURIComponent(file)}/content`;

export const exportsQuery = infiniteQueryOptions({
  queryKey: ['exports'],
  queryFn: ({ pageParam }) => get<Page<ExportShown>>(withQuery('/api/exports', { cursor: pageParam, limit: 50 })),
  initialPageParam: '',
  getNextPageParam: (last) => last.next ?? undefined,
  placeholderData: keepPreviousData,
});
