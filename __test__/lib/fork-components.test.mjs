// Nothing in lib/ keeps something that changes, or has a hook in the process, without a part in the reset after a fork. The sources are read for that:
// whoever adds a variable, a cache or a listener and does not think of forks fails here.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import ts from 'typescript59';
import { ORDER } from '../../build/lib/fork/component.js';
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

/** Calls that leave something in the process. */
const HOOKS = /^(process\.(on|once|addListener|prependListener|emitWarning)|setInterval|setTimeout|subscribe|native\.armTermination|\w+\.addEventListener)$/;

const MUTABLE_CLASSES = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Array', 'Object']);
const IMMUTABLE_TYPES = /^(readonly |Readonly|\{ readonly )/;

const parse = (name, text) => ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);

function* walk(node) {
  yield node;
  const children = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* walk(child);
}

const isFunction = (node) => ts.isFunctionLike(node) || ts.isClassStaticBlockDeclaration(node);

function functionOf(node) {
  for (let at = node.parent; at !== undefined; at = at.parent) if (isFunction(at)) return at;
  return undefined;
}

/** Whether an expression makes something whose insides can change. */
function makesMutable(expression, type) {
  if (expression === undefined || (type !== undefined && IMMUTABLE_TYPES.test(type.getText()))) return false;
  if (ts.isAsExpression(expression)) return !/\bconst$/.test(expression.type.getText()) && makesMutable(expression.expression, expression.type);
  if (ts.isArrayLiteralExpression(expression)) return true;
  if (ts.isObjectLiteralExpression(expression)) return expression.properties.some((each) => !ts.isMethodDeclaration(each) && !isFunction(each.initializer ?? each));
  return ts.isNewExpression(expression) && MUTABLE_CLASSES.has(expression.expression.getText());
}

/** Properties of a class that can change. */
function mutableProperties(node) {
  return node.members.filter(ts.isPropertyDeclaration).filter((property) => {
    const readonly = property.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ReadonlyKeyword);
    return !readonly || makesMutable(property.initializer, property.type);
  });
}

/** What a source file keeps or hooks, as phrases. */
function findings(source) {
  const found = [];
  for (const node of walk(source)) {
    const line = () => source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (ts.isVariableDeclaration(node) && ts.isVariableDeclarationList(node.parent)) {
      const constant = (node.parent.flags & ts.NodeFlags.Const) !== 0;
      const owner = functionOf(node);
      if (owner === undefined && (!constant || makesMutable(node.initializer, node.type))) found.push(`${line()}: variable ${node.name.getText()} of the module`);
      if (owner !== undefined && !constant && assignedInside(owner, node)) found.push(`${line()}: variable ${node.name.getText()} of a closure`);
    }
    if (ts.isClassLike(node)) for (const property of mutableProperties(node)) found.push(`${line()}: property ${property.name.getText()}`);
    if (ts.isCallExpression(node)) {
      const callee = node.expression.getText();
      if (HOOKS.test(callee)) found.push(`${line()}: ${callee}()`);
      if (callee.endsWith('native.registry')) found.push(`${line()}: the shared object`);
    }
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken && /^(process|Error|globalThis)\./.test(node.left.getText())) {
      found.push(`${line()}: assigns ${node.left.getText()}`);
    }
  }
  return found;
}

/** Whether a function within the variable's own assigns it: then it lives on in a closure. */
function assignedInside(owner, declaration) {
  const name = declaration.name.getText();
  for (const node of walk(owner)) {
    if (!ts.isBinaryExpression(node) && !ts.isPrefixUnaryExpression(node) && !ts.isPostfixUnaryExpression(node)) continue;
    const target = ts.isBinaryExpression(node) ? node.left : node.operand;
    const assigns = ts.isBinaryExpression(node) ? ts.isAssignmentOperator(node.operatorToken.kind) : true;
    if (assigns && target.getText() === name && functionOf(node) !== owner) return true;
  }
  return false;
}

/** The names of the components that a file defines: objects or classes with a name of the list and the two methods. */
function componentsOf(source) {
  const names = [];
  for (const node of walk(source)) {
    if (!ts.isObjectLiteralExpression(node) && !ts.isClassLike(node)) continue;
    const members = node.properties ?? node.members;
    const member = (name) => members.find((each) => each.name?.getText() === name);
    const name = member('name')?.initializer?.text;
    if (name !== undefined && member('hooksOff') !== undefined && member('resetAfterFork') !== undefined) names.push(name);
  }
  return names;
}

/** What stands at the root; every other name is a place in lib/. */
const DOORS = ['index.ts', 'register.ts', 'cli.ts'];
const pathOf = (name) => (DOORS.includes(name) ? name : join('lib', name));
const nameOf = (path) => (DOORS.includes(path) ? path : relative('lib', path));

/** Files that only the command uses: it is not profiled and does not fork. */
function onlyOfTheCommand(sources) {
  const importsOf = (name) =>
    sources[name].statements
      .filter((statement) => ts.isImportDeclaration(statement) && !statement.importClause?.isTypeOnly)
      .map((statement) => join(dirname(pathOf(name)), statement.moduleSpecifier.text).replace(/\.([cm]?)js$/, '.$1ts'))
      .map(nameOf)
      .filter((imported) => imported in sources);
  const reachable = new Set();
  const visit = (name) => {
    if (reachable.has(name)) return;
    reachable.add(name);
    importsOf(name).forEach(visit);
  };
  // Whatever cli.ts does not reach may be reached in other ways, as a preloaded agent is.
  visit('cli.ts');
  const command = new Set(reachable);
  reachable.clear();
  for (const name of Object.keys(sources)) if (!command.has(name)) visit(name);
  return [...command].filter((name) => !reachable.has(name));
}

function readSources() {
  const names = [...readdirSync(join(root, 'lib'), { recursive: true }).filter((name) => /\.[cm]?ts$/.test(name)), ...DOORS];
  return Object.fromEntries(names.map((name) => [name, parse(name, readFileSync(join(root, pathOf(name)), 'utf8'))]));
}

const sources = readSources();

test('every file that keeps or hooks something is a component, or says why not', () => {
  const command = onlyOfTheCommand(sources);
  assert.ok(command.includes('command/run.ts') && !command.includes('profiler.ts'), command.join());
  const without = Object.keys(sources)
    .filter((name) => !command.includes(name) && !(name in EXEMPT) && componentsOf(sources[name]).length === 0)
    .flatMap((name) => findings(sources[name]).map((finding) => `${name}:${finding}`));
  assert.deepEqual(without, []);
  for (const name of Object.keys(EXEMPT)) assert.ok(findings(sources[name]).length > 0, `${name} keeps nothing and needs no exemption`);
});

test('every component has its place in the list, and every place its component', () => {
  const defined = Object.values(sources).flatMap(componentsOf);
  assert.deepEqual([...new Set(defined)].sort(), [...ORDER].sort());
});

test('a component keeps what a fork resets in one property, and its reset replaces it whole', () => {
  let looked = 0;
  for (const [name, source] of Object.entries(sources)) {
    if (name in EXEMPT || componentsOf(source).length === 0) continue;
    for (const node of walk(source)) {
      if (!ts.isClassLike(node)) continue;
      const mutable = mutableProperties(node).map((property) => property.name.getText());
      assert.ok(mutable.length <= 1, `${name}: ${node.name?.text} keeps ${mutable.join(' and ')}`);
      if (mutable.length === 0) continue;
      const resets = node.members.filter((member) => /^#?resetAfterFork$/.test(member.name?.getText() ?? ''));
      const replaces = resets.some((reset) => reset.getText().includes(`this.${mutable[0]} = `));
      assert.ok(replaces, `${name}: resetAfterFork() of ${node.name?.text} does not replace ${mutable[0]}`);
      looked += 1;
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
