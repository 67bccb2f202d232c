// Makes a JSON Schema of types.ts for each of Grafana's versions and holds the dashboards to it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import Ajv from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const here = path.dirname(fileURLToPath(import.meta.url));
const shipped = path.resolve(here, '../../../dashboards');
const modules = path.join(here, 'node_modules');
const VERSIONS = {
  'schema-10': 'dist/index.d.ts',
  'schema-11': 'dist/esm/index.d.ts',
  'schema-12': 'dist/types/index.d.ts',
};

function schemasOf(name, index) {
  const settings = mkdtempSync(path.join(modules, '.settings-'));
  const tsconfig = path.join(settings, 'tsconfig.json');
  const compilerOptions = {
    module: 'esnext',
    moduleResolution: 'bundler',
    paths: {
      '@grafana/schema': [path.join(modules, name, index)],
      'grafana-panels/*': [path.join(modules, name, 'dist/esm/raw/composable/*')],
      'grafana-prometheus/*': [path.join(modules, 'schema-10/dist/esm/raw/composable/prometheus/*')],
    },
    skipLibCheck: true,
    strict: true,
    target: 'es2022',
  };
  const types = path.join(here, 'types.ts');
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: [types] }));
  try {
    const generator = createGenerator({ additionalProperties: false, expose: 'none', path: types, topRef: false, tsconfig });
    return { dashboard: generator.createSchema('Dashboard'), panels: generator.createSchema('Panels').properties };
  } finally {
    rmSync(settings, { recursive: true });
  }
}

function overridden(panel, properties) {
  const { defaults } = panel.fieldConfig;
  const changed = { ...defaults, custom: { ...defaults.custom } };
  properties.forEach(({ id, value }) => {
    const [first, second] = id.split('.');
    if (second === undefined) {
      changed[first] = value;
    } else {
      changed[first][second] = value;
    }
  });
  return { ...panel, fieldConfig: { defaults: changed, overrides: [] } };
}

// What Grafana's types of one version have to say about a dashboard.
function complaints({ dashboard: schema, panels }, dashboard) {
  const ajv = new Ajv({ allErrors: true, strict: false });
  const lines = [];
  const judge = (validator, value, where) => {
    if (!validator(value)) {
      validator.errors.forEach(({ instancePath, message, params }) =>
        lines.push(`${where}${instancePath} ${message} ${JSON.stringify(params)}`));
    }
  };
  judge(ajv.compile(schema), dashboard, '');
  const validators = Object.fromEntries(Object.entries(panels).map(([type, part]) => [type, ajv.compile(part)]));
  dashboard.panels.forEach((panel) => {
    judge(validators[panel.type], panel, `${panel.id} ${panel.title}: `);
    // An override's values are open in the types: as defaults of the panel they are not.
    panel.fieldConfig?.overrides.forEach(({ matcher, properties }) =>
      judge(validators[panel.type], overridden(panel, properties), `${panel.id} ${panel.title} ${matcher.options}: `));
  });
  return lines;
}

let passed = 0;
let failed = 0;
for (const [name, index] of Object.entries(VERSIONS)) {
  const { version } = JSON.parse(readFileSync(path.join(modules, name, 'package.json'), 'utf8'));
  const schemas = schemasOf(name, index);
  for (const file of readdirSync(shipped).filter((entry) => entry.endsWith('.json'))) {
    const found = complaints(schemas, JSON.parse(readFileSync(path.join(shipped, file), 'utf8')));
    if (found.length === 0) {
      passed += 1;
    } else {
      failed += 1;
      console.log(`FAILED ${file} against Grafana ${version}:`);
      found.slice(0, 12).forEach((line) => console.log(`  ${line}`));
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed || !passed ? 1 : 0;
