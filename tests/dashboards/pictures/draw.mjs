// Draws the dashboards from the data of a Prometheus, one PNG each.
//
//   node draw.mjs http://127.0.0.1:9090 [--at SECONDS] [--since SECONDS] [--only fleet,source]
//                 [--server ID] [--width PIXELS] [--theme dark|light] [--out DIRECTORY]
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { bundle } from './bundle.mjs';
import { answersOf, everythingOf, serverOf } from './queries.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const shipped = path.resolve(here, '../../../dashboards');
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
const POINTS = 300;
const TYPES = { '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml' };
const PAGE = '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css">'
  + '<style>body{margin:0;font-family:Inter,sans-serif;font-size:14px}</style>'
  + '<div id="page"></div><script src="page.js"></script>';
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--hide-scrollbars', '--no-proxy-server', '--enable-logging=stderr',
];

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      at: { type: 'string' },
      only: { default: 'fleet,source,throughput,exporter', type: 'string' },
      out: { default: path.join(here, 'out'), type: 'string' },
      server: { type: 'string' },
      since: { default: '3600', type: 'string' },
      theme: { default: 'dark', type: 'string' },
      width: { default: '1680', type: 'string' },
    },
  });
  if (positionals.length !== 1) {
    throw new Error('give the address of a Prometheus');
  }
  const at = values.at ? Number(values.at) : Math.floor(Date.now() / 1000);
  return { ...values, at, since: Number(values.since), url: positionals[0].replace(/\/$/, ''), width: Number(values.width) };
}

function heightOf(dashboard) {
  return Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h)) * 38 + 64 + 26;
}

async function dataOf(name, { url, at, since, server, theme, width }) {
  const dashboard = JSON.parse(await readFile(path.join(shipped, `${name}.json`), 'utf8'));
  const one = dashboard.templating.list.find((variable) => variable.name === 'source_id' && !variable.multi);
  const chosen = one ? await serverOf(url, at, server) : null;
  const step = Math.max(Math.ceil(since / POINTS), 15);
  const everything = await everythingOf(url, at);
  const variables = { ...everything, source_id: chosen?.id ?? everything.source_id };
  const { version } = JSON.parse(await readFile(path.join(here, 'node_modules/@grafana/ui/package.json'), 'utf8'));
  return {
    answers: await answersOf(url, dashboard, variables, { at, since, step }),
    chosen: [['Data source', 'Prometheus'], ['Job', 'All'], ['Account', 'All'], ['Server', chosen?.name ?? 'All']],
    dashboard,
    height: heightOf(dashboard),
    range: { from: (at - since) * 1000, to: at * 1000 },
    step,
    theme,
    versions: { ui: version },
    width,
  };
}

async function fileOf(request, code) {
  const name = decodeURIComponent(request.split('?')[0]);
  const icon = name.match(/\/(img\/icons\/[\w./-]+\.svg)$/);
  const file = icon && !name.includes('..')
    ? path.join(here, 'node_modules/@grafana/ui/dist/public', icon[1])
    : path.join(code, path.basename(name));
  return { body: await readFile(file), type: TYPES[path.extname(file)] };
}

function serve(code, data) {
  const server = createServer(async ({ url }, response) => {
    try {
      const { body, type } = url === '/' ? { body: PAGE, type: 'text/html' }
        : url === '/data.json' ? { body: JSON.stringify(data), type: TYPES['.json'] }
          : await fileOf(url, code);
      response.writeHead(200, { 'content-type': type }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function browse(args) {
  return new Promise((resolve, reject) => {
    const browser = spawn(chromium, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    browser.stderr.on('data', (chunk) => { said += chunk; });
    browser.on('error', reject);
    browser.on('exit', (code) => (code === 0 ? resolve(said) : reject(new Error(`chromium ended with ${code}: ${said}`))));
  });
}

async function picture(name, code, choice) {
  const data = await dataOf(name, choice);
  const server = await serve(code, data);
  const profile = await mkdtemp(path.join(tmpdir(), 'pictures-'));
  const file = path.join(choice.out, `${name}.png`);
  try {
    const said = await browse([
      ...FLAGS, `--user-data-dir=${profile}`, `--window-size=${choice.width},${data.height}`, '--virtual-time-budget=20000',
      `--screenshot=${file}`, `http://127.0.0.1:${server.address().port}/`,
    ]);
    const faults = said.split('\n').filter((line) => /CONSOLE.*(page:|Uncaught)/.test(line));
    if (faults.length) {
      throw new Error(`${name}: ${faults.join('\n')}`);
    }
    console.log(file);
  } finally {
    server.close();
    await rm(profile, { force: true, recursive: true });
  }
}

const choice = options();
await mkdir(choice.out, { recursive: true });
const code = await bundle();
for (const name of choice.only.split(',')) {
  await picture(name, code, choice);
}
