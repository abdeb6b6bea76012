// Nothing in lib/ keeps something that changes, or has a hook in the process, without a part in the reset after a fork. The sources are read for that:
// whoever adds a variable, a cache or a listener and does not think of forks fails here, also where its file is a component already.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ORDER } from '../../build/lib/fork/component.js';
import { changingProperties, componentsOf, findings, onlyOfTheCommand, parse, readSources, replacedByReset } from '../helpers/kept.mjs';
import { root } from '../helpers/nodes.mjs';

/** Files, by their place in lib/, that change something and are no component, each with the reason why a fork does not matter to it. */
const EXEMPT = {
  'api.ts': 'the timer of profile() goes with its promise (fork/promises.ts)',
  'caller.ts': 'Error is as it was when the function returns',
  'cluster/hook.ts': 'cluster/fork.ts closes the sockets; what is wrapped may go on in a child, which can fork workers of its own',
  'cluster/member.ts': 'goes with its session',
  'cluster/pipe.ts': 'writes nothing once cluster/fork.ts has closed its socket',
  'cluster/session.ts': 'cluster/fork.ts makes it let go of everything',
  'cluster/wire.ts': 'goes with the socket that it reads from',
  'cluster/worker.ts': 'cluster/fork.ts makes it let go of everything',
  'fork/chain.ts': 'the chain itself: what it decided has to outlive an attempt',
  'fork/aware.ts': 'finds the chain',
  'cluster/last-will.ts': 'goes with its session',
  'pprof/merge.ts': 'lives as long as one merge, whose promise is known to the chain',
  'pprof/merge-tables.ts': 'as pprof/merge.ts',
  'labels/tracking.ts': 'follows the running work, which goes on in a child',
  'native.ts': 'the native half stays loaded in a child',
  'fork/native-halves.ts': 'what is loaded stays loaded in a child',
  'pprof/fields.ts': 'as pprof/merge.ts',
  'pprof/reader.ts': 'as pprof/merge.ts',
  'pprof/protobuf.ts': 'as pprof/merge.ts',
  'pprof/protobuf-writer.ts': 'as pprof/merge.ts',
  'off-thread.ts': 'a child knows no work of its parent, so the first look there ends it',
  'on-demand.ts': 'what is loaded stays loaded in a child',
  'object-numbers.ts': 'an object is the same one in the child',
  'unsettled.ts': 'goes with the state of the run, which the profiler replaces',
  'registry.ts': 'the chain or the profiler replace its entry',
  'time.ts': 'a component takes its timers back; they ask whose process it is first',
  'termination.ts': 'the native half takes back what it arms',
  'with-resolvers.ts': 'belongs to the promise that it returns',
};

/** The variables of modules in those files, which the reason is known to cover. */
const EXEMPT_VARIABLES = {
  'native.ts': ['loaded', 'refusal'],
  'object-numbers.ts': ['numbers', 'count', 'copy'],
  'on-demand.ts': ['loaded', 'core'],
};

/** What a component's own reset, or its hooksOff(), gives another value: the test looks whether it does. */
const RESET = Symbol('reset');

/** What the files of components keep and hook, thing by thing: whether the reset replaces it, or else why it need not. */
const KEPT = {
  'execve.ts': { 'property #state': RESET },
  'identity.ts': { 'property #state': RESET },
  'open-files.ts': {
    'variable writing of the module': RESET,
    'variable surroundings of the module': 'asks the chain and makes timers, which a child has as well',
    'variable openFiles of the module': 'the component',
  },
  'profile-sequence.ts': { 'property #state': RESET },
  'profiler.ts': { 'property #state': RESET },
  'scheduler.ts': {
    'property #state': RESET,
    'variable isHanded of a closure': 'goes with its rotation, whose promise rejects in a child',
  },
  'threads.ts': {
    'property #state': RESET,
    'variable workers of the module': 'the component',
    'subscribe(CHANNEL)': 'hooksOff() takes it back',
  },
  'whole-program.ts': {
    'property #state': RESET,
    'subscribe(ERROR_CHANNEL)': 'says on standard error what it hears, and keeps nothing',
    "process.on('beforeExit')": 'hooksOff() takes it back',
    "process.on('exit')": 'hooksOff() takes it back',
    'subscribe(STOP_CHANNEL)': 'hooksOff() takes it back',
    'subscribe(EXEC_CHANNEL)': 'hooksOff() takes it back',
    'subscribe(EXPORT_CHANNEL)': 'hooksOff() takes it back',
  },
  'cluster/fork.ts': { 'variable abandons of the module': RESET },
  'export/queue.ts': { 'property #state': RESET },
  'export/upload.ts': {
    'variable open of the module': RESET,
    'variable uploads of the module': 'the component',
    "signal.addEventListener('abort')": 'goes with the request, which a child destroys',
  },
  'fork/native-components.ts': {},
  'fork/promises.ts': {
    'property #pending': RESET,
    'variable pause of a closure': 'of a timer that only calls the chain',
    'variable timer of a closure': 'as the pause',
    'variable over of a closure': 'as the pause',
    'setTimeout(look)': 'goes with its promise, and only calls the chain until then',
  },
  'labels/scopes.ts': {
    'property #state': RESET,
    'variable labelScopes of the module': 'the component',
    'the shared object': 'finds the labels that the copies of the package share, which go on in a child',
  },
};

const sources = readSources();

test('every file that keeps or hooks something is a component, or says why not', () => {
  const command = onlyOfTheCommand(sources);
  assert.ok(command.includes('command/run.ts') && !command.includes('profiler.ts'), command.join());
  const without = Object.keys(sources)
    .filter((name) => !command.includes(name) && !(name in EXEMPT) && componentsOf(sources[name]).length === 0)
    .flatMap((name) => findings(sources[name]).map(({ line, what }) => `${name}:${line}: ${what}`));
  assert.deepEqual(without, []);
  for (const name of Object.keys(EXEMPT)) assert.ok(findings(sources[name]).length > 0, `${name} keeps nothing and needs no exemption`);
  for (const name of Object.keys(EXEMPT)) {
    const variables = findings(sources[name]).flatMap(({ what }) => what.match(/^variable (.*) of the module$/)?.[1] ?? []);
    assert.deepEqual(variables, EXEMPT_VARIABLES[name] ?? [], `${name} has other variables than its exemption is for`);
  }
});

test('every component has its place in the list, and every place its component', () => {
  const defined = Object.values(sources).flatMap(componentsOf);
  assert.deepEqual([...new Set(defined)].sort(), [...ORDER].sort());
});

/** What is wrong with what a file of components says about what it keeps, as phrases. */
function problemsOf(source, kept) {
  const found = findings(source);
  const replaced = replacedByReset(source);
  const nameOf = (what) => what.split(' ')[1];
  return [
    ...found.filter(({ what }) => !(what in kept)).map(({ line, what }) => `${line}: what does a fork do to this? ${what}`),
    ...Object.keys(kept).filter((what) => !found.some((one) => one.what === what)).map((what) => `there is no ${what}`),
    ...found.filter(({ what }, index) => found.findIndex((one) => one.what === what) !== index).map(({ line, what }) => `${line}: another ${what}`),
    ...found.filter(({ what }) => kept[what] === RESET && !replaced.has(nameOf(what))).map(({ line, what }) => `${line}: no reset replaces ${what}`),
  ];
}

test('each thing that a component keeps or hooks is known to its reset, or says why not', () => {
  const components = Object.keys(sources).filter((name) => !(name in EXEMPT) && componentsOf(sources[name]).length > 0);
  assert.deepEqual(components.sort(), Object.keys(KEPT).sort());
  assert.deepEqual(components.flatMap((name) => problemsOf(sources[name], KEPT[name]).map((problem) => `${name}:${problem}`)), []);
});

test('what a file of a component has more, or less, or does not reset, is seen', () => {
  const kept = { 'variable open of the module': RESET };
  const text = "let open = new Set(); export const c = { name: 'files', hooksOff() {}, resetAfterFork: clear }; function clear() { open = new Set(); }";
  const problems = (source) => problemsOf(parse('sample.ts', source), { ...kept, 'variable c of the module': 'the component' });
  assert.deepEqual(problems(text), []);
  for (const [more, what] of [
    ['let last = 0;', 'variable last of the module'],
    ['const seen = new Map<string, number>();', 'variable seen of the module'],
    ['const held = new Holder();', 'variable held of the module'],
    ["process.on('exit', f);", "process.on('exit')"],
    ['function f() { let n = 0; return () => { n += 1; }; }', 'variable n of a closure'],
    ['class A { #more = 0; }', 'property #more'],
  ]) {
    assert.deepEqual(problems(`${text}\n${more}`), [`2: what does a fork do to this? ${what}`]);
  }
  assert.deepEqual(problems(text.replace('{ open = new Set(); }', '{ open.clear(); }')), ['1: no reset replaces variable open of the module']);
  assert.deepEqual(problems(text.replace('let open', 'let other').replace('{ open =', '{ other =')), [
    '1: what does a fork do to this? variable other of the module',
    'there is no variable open of the module',
  ]);
});

test('a component keeps what a fork resets in one property', () => {
  let looked = 0;
  for (const name of Object.keys(KEPT)) {
    for (const { of, names } of changingProperties(sources[name])) {
      assert.ok(names.length <= 1, `${name}: ${of} keeps ${names.join(' and ')}`);
      looked += names.length;
    }
  }
  assert.ok(looked >= 5, `${looked}`);
});

test('each component joins the chain when it has something to reset', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pronghorn-components-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const script = `
    import { fakeNative } from '${root}/__test__/lib/fake-native.mjs';
    import { forkAware } from '${root}/build/lib/fork/aware.js';
    import { profileWholeProgram } from '${root}/build/lib/whole-program.js';
    const native = fakeNative();
    profileWholeProgram(() => native);
    console.log(forkAware(native).chain.names.join());`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, PRONGHORN_OUTPUT_DIR: directory, PRONGHORN_EXPORTERS: 'file' },
  });
  assert.equal(stdout, `${ORDER.join()}\n`, stderr);
});

test('the scan finds what it is for', () => {
  const samples = {
    'let last = 0;': 1,
    'const seen = new Set<string>();': 1,
    'const table = { a: 1 };': 1,
    'const list = [];': 1,
    'class A { #count = 0; }': 1,
    'class A { readonly #cache = new Map(); }': 1,
    'class A { static shared: string | undefined; }': 1,
    "process.on('exit', f);": 1,
    "import { subscribe } from 'x'; subscribe('a', f);": 1,
    'function f() { let n = 0; return () => { n += 1; }; }': 1,
    'function f() { setInterval(g, 1); }': 1,
    'function f() { process.execve = g; }': 1,
    "const names = ['a'] as const; const set: ReadonlySet<string> = new Set(names); const text = 'x'; const re = /x/;": 0,
    'class A { readonly #native: NativeApi; constructor(n) { this.#native = n; } }': 0,
    'function f() { let n = 0; n += 1; return n; }': 0,
  };
  for (const [text, count] of Object.entries(samples)) assert.equal(findings(parse('sample.ts', text)).length, count, text);
});
