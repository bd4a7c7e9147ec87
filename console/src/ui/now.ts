import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { statusQuery } from '../api/queries';

/** The clock of the home in milliseconds (a home may stand at another time than this machine), going on between two answers. */
export function useNow(): number {
  const { data, dataUpdatedAt } = useQuery(statusQuery);
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 10_000);
    return () => clearInterval(timer);
  }, []);
  if (data === undefined) return Date.now();
  return new Date(data.now).getTime() + (Date.now() - dataUpdatedAt);
}
