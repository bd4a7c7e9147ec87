import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The built files are served by the package itself, so they land inside it (git-ignored).
// EINKLANG_CONSOLE_OUT lets a build hook or a test write elsewhere; EINKLANG_URL is the server behind `npm run dev`.
const server = process.env['EINKLANG_URL'] ?? 'http://127.0.0.1:8787';

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: process.env['EINKLANG_CONSOLE_OUT'] ?? '../src/einklang/web/console',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    sourcemap: false,
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { '/api': server, '/v1': server } },
});
