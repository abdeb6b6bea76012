// The table of options in the README is complete and true: every property that a public function takes, every variable that is read, and nothing else; and
// the defaults are those of the code.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import ts from 'typescript59';
import { KNOWN, readEnvironment } from '../../build/lib/environment.js';
import { DEFAULT_PERIOD_MS } from '../../build/lib/export/options.js';
import { resolveContinuous } from '../../build/lib/export/resolve.js';
import { KINDS } from '../../build/lib/export/variables.js';
import { OPTIONS } from '../../build/lib/options.js';
import { root } from '../helpers/nodes.mjs';

/** What users write down, and where it is declared. */
const INTERFACES = {
  'lib/options.ts': ['SamplingOptions'],
  'lib/api.ts': ['ProfileOptions'],
  'lib/cluster/api.ts': ['ClusterOptions', 'ProfileClusterOptions'],
  'lib/export/options.ts': ['ContinuousOptions', 'QueueOptions', 'FileExporterOptions', 'ServerOptions', 'OtlpExporterOptions', 'HttpExporterOptions'],
};

const texts = (cell) => [...cell.matchAll(/`([^`]*)`/g)].map((match) => match[1]);

function rowsOfTable() {
  const [, section] = readFileSync(join(root, 'README.md'), 'utf8').split('\n## Options\n');
  const lines = section.split('\n## ')[0].split('\n').filter((line) => line.startsWith('| '));
  return lines
    .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
    .filter(([option]) => option !== 'option' && !option.startsWith('**'))
    .map(([option, variables, unit, fallback]) => ({ options: texts(option.replace(/ \(.*/, '')), variables: texts(variables).flatMap(expanded), unit, fallback }));
}

/** PRONGHORN_X_URL stands for one variable of each server, `[PROFILES_]` for one with it and one without. */
function expanded(variable) {
  if (variable.includes('[')) return [variable.replace(/\[.*\]/, ''), variable.replace(/[[\]]/g, '')];
  if (!variable.startsWith('PRONGHORN_X_')) return [variable];
  return KINDS.filter((kind) => kind !== 'file').map((kind) => variable.replace('_X_', `_${kind.toUpperCase()}_`));
}

const rows = rowsOfTable();
const words = (text) => text.match(/[A-Za-z]+/g) ?? [];
const sorted = (names) => [...new Set(names)].sort();

function propertiesOf(file, names) {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    if (ts.isPropertySignature(node)) found.push(node.name.getText());
    ts.forEachChild(node, visit);
  };
  for (const name of names) visit(source.statements.find((statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name) ?? assert.fail(`${file}: ${name}`));
  return found;
}

test('every option that a public function takes stands in the table, and no other', () => {
  const declared = Object.entries(INTERFACES).flatMap(([file, names]) => propertiesOf(file, names));
  assert.deepEqual(sorted(rows.flatMap(({ options }) => options.flatMap(words))), sorted(declared));
});

test('every variable that is read stands in the table, and no other', () => {
  const read = new Set();
  const values = { PRONGHORN_EXPORTERS: KINDS.join(), PRONGHORN_HTTP_URL: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_ENDPOINT: 'https://127.0.0.1:1' };
  const env = new Proxy(values, { get: (target, name) => (read.add(name), target[name]) });
  const { options } = readEnvironment(env);
  resolveContinuous(options, { env, encodeOtlp: async () => Buffer.alloc(0), hasThreadPool: () => true });
  const inTable = sorted(rows.flatMap(({ variables }) => variables));
  // Read to be refused: only the http exporter has a method.
  const refused = ['PYROSCOPE', 'PARCA', 'OTLP'].map((server) => `PRONGHORN_${server}_METHOD`);
  for (const name of refused) assert.throws(() => resolveContinuous(readEnvironment({ ...values, [name]: 'PUT' }).options, { env: { ...values, [name]: 'PUT' } }), new RegExp(name));
  assert.deepEqual(inTable, sorted(read).filter((name) => !refused.includes(name)));
  // Reading is no check of names: those are what slips of the pen are compared with.
  assert.deepEqual(inTable.filter((name) => name.startsWith('PRONGHORN_')), sorted(KNOWN));
});

test('each row has a unit and a default, and options that are variables too have both names in one row', () => {
  for (const row of rows) {
    assert.ok(row.unit !== '' && row.fallback !== '', JSON.stringify(row));
    assert.ok(row.options.length > 0 || row.variables.length > 0, JSON.stringify(row));
  }
  const variablesOf = (option) => rows.filter(({ options }) => options.includes(option)).flatMap(({ variables }) => variables);
  for (const [name, { env }] of Object.entries(OPTIONS)) assert.deepEqual(variablesOf(name), [env]);
});

test('the defaults are those of the code', () => {
  const shown = (option) => rows.find(({ options }) => options.includes(option)).fallback.replaceAll('`', '');
  const text = (value) => (typeof value === 'number' ? value.toLocaleString('en-US') : String(value));
  for (const [name, { fallback }] of Object.entries(OPTIONS)) assert.equal(shown(name), text(fallback), name);
  const { limits, periodMs, stopTimeoutMs } = resolveContinuous({ exporters: [{ type: 'parca', url: 'http://127.0.0.1:1' }] }, { env: {}, hasThreadPool: () => true });
  for (const [name, value] of Object.entries(limits)) assert.equal(shown(`queue.${name}`), text(value), name);
  assert.equal(periodMs, DEFAULT_PERIOD_MS);
  assert.deepEqual([shown('periodMs'), shown('stopTimeoutMs')], [periodMs, stopTimeoutMs].map(text));
});
