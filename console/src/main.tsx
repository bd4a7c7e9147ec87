import './theme/mantine';
import './theme/brand.css';
import { MantineProvider } from '@mantine/core';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client';
import { makeRouter } from './app/router';
import { LanguageProvider } from './i18n';
import { theme, variables } from './theme/theme';

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      // The session ended while somebody was looking: back to the sign-in, and afterwards to this very address.
      const path = window.location.pathname + window.location.search;
      if (error instanceof ApiError && error.status === 401 && !path.startsWith('/sign-in')) {
        client.clear();
        void router.navigate({ to: '/sign-in', search: path === '/' ? {} : { next: path } });
      }
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retryDelay: (failures) => 250 * 2 ** failures,
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

const router = makeRouter(client);

const place = document.getElementById('root');
if (place === null) throw new Error('index.html holds no element with the id root');

createRoot(place).render(
  <StrictMode>
    <LanguageProvider>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
        <QueryClientProvider client={client}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </LanguageProvider>
  </StrictMode>,
);
