// Puts the page's code and Grafana's components into one file.
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));

// Grafana's modules import these as Node would, which wraps what an old CommonJS package exports as
// its default once too often: unwrap it.
const WRAPPED = /^(react-custom-scrollbars-2|react-inlinesvg)$/;
const unwrap = {
  name: 'unwrap',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: WRAPPED }, ({ namespace, path: name }) => (namespace === 'unwrap' ? null : { namespace: 'unwrap', path: name }));
    onLoad({ filter: /.*/, namespace: 'unwrap' }, ({ path: name }) => ({
      contents: `const found = require('${name}'); export default found.default ?? found;`,
      resolveDir: here,
    }));
  },
};

export async function bundle() {
  const outdir = path.join(here, 'bundle');
  await rm(outdir, { force: true, recursive: true });
  await build({
    absWorkingDir: here,
    bundle: true,
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    entryPoints: ['src/page.jsx'],
    format: 'iife',
    jsx: 'automatic',
    loader: { '.svg': 'dataurl', '.ttf': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl' },
    logLevel: 'error',
    minify: true,
    outdir,
    plugins: [unwrap],
  });
  return outdir;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await bundle();
}
