import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// The browser SDK (sdk/js), built with the tools of the console into one file beside it: the server has it at /sdk/einklang.js.
const source = fileURLToPath(new URL('../sdk/js', import.meta.url));

export default defineConfig({
  root: source,
  publicDir: false,
  build: {
    target: 'es2020',
    outDir: `${process.env['EINKLANG_CONSOLE_OUT'] ?? fileURLToPath(new URL('../src/einklang/web/console', import.meta.url))}/sdk`,
    emptyOutDir: true,
    lib: { entry: `${source}/src/index.ts`, name: 'einklang', formats: ['iife'], fileName: () => 'einklang.js' },
  },
});
