// Reads the sources of the package: what each keeps that can change, what it hooks, which component it defines and what that one's reset replaces.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript59';
import { root } from './nodes.mjs';

/** Calls that leave something in the process. */
const HOOKS = /^(process\.(on|once|addListener|prependListener|emitWarning)|setInterval|setTimeout|subscribe|native\.armTermination|\w+\.addEventListener)$/;

/** What `new` makes of these never changes. */
const IMMUTABLE_CLASSES = /^(URL|RegExp|\w*Error)$/;
const IMMUTABLE_TYPES = /^(readonly |Readonly|\{ readonly )/;

/** A source file from its text. */
export const parse = (name, text) => ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);

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
  return ts.isNewExpression(expression) && !IMMUTABLE_CLASSES.test(expression.expression.getText());
}

/** Properties of a class that can change. */
function mutableProperties(node) {
  return node.members.filter(ts.isPropertyDeclaration).filter((property) => {
    const readonly = property.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ReadonlyKeyword);
    return !readonly || makesMutable(property.initializer, property.type);
  });
}

/** What a source file keeps or hooks, as phrases, each with its line. */
export function findings(source) {
  const found = [];
  for (const node of walk(source)) {
    const add = (what) => found.push({ line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, what });
    if (ts.isVariableDeclaration(node) && ts.isVariableDeclarationList(node.parent)) {
      const constant = (node.parent.flags & ts.NodeFlags.Const) !== 0;
      const owner = functionOf(node);
      if (owner === undefined && (!constant || makesMutable(node.initializer, node.type))) add(`variable ${node.name.getText()} of the module`);
      if (owner !== undefined && !constant && assignedInside(owner, node)) add(`variable ${node.name.getText()} of a closure`);
    }
    if (ts.isClassLike(node)) for (const property of mutableProperties(node)) add(`property ${property.name.getText()}`);
    if (ts.isCallExpression(node)) {
      const callee = node.expression.getText();
      if (HOOKS.test(callee)) add(`${callee}(${node.arguments[0]?.getText() ?? ''})`);
      if (callee.endsWith('native.registry')) add('the shared object');
    }
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken && /^(process|Error|globalThis)\./.test(node.left.getText())) {
      add(`assigns ${node.left.getText()}`);
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
export function componentsOf(source) {
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
export function onlyOfTheCommand(sources) {
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

/** Every source file, by its place in lib/ or at the root. */
export function readSources() {
  const names = [...readdirSync(join(root, 'lib'), { recursive: true }).filter((name) => /\.[cm]?ts$/.test(name)), ...DOORS];
  return Object.fromEntries(names.map((name) => [name, parse(name, readFileSync(join(root, pathOf(name)), 'utf8'))]));
}

/** The names of what a component of this file gives another value when it is reset: in hooksOff(), resetAfterFork(), or a function of the file that they name. */
export function replacedByReset(source) {
  const nodes = [...walk(source)];
  const functions = nodes.filter((node) => isFunction(node) && node.name !== undefined);
  const isStep = (node) => /^#?(hooksOff|resetAfterFork)$/.test(node.name?.getText() ?? '') && (isFunction(node) || ts.isPropertyAssignment(node));
  const seen = new Set(nodes.filter(isStep));
  const replaced = new Set();
  for (const step of seen) {
    for (const node of walk(step)) {
      if (ts.isIdentifier(node)) for (const each of functions) if (ts.isFunctionDeclaration(each) && each.name.text === node.text) seen.add(each);
      if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) replaced.add(node.left.getText().replace(/^this\./, ''));
    }
  }
  return replaced;
}

/** The properties that can change, class by class: `{ of, names }`. */
export function changingProperties(source) {
  const classes = [...walk(source)].filter((node) => ts.isClassLike(node));
  return classes.map((node) => ({ of: node.name?.text, names: mutableProperties(node).map((property) => property.name.getText()) }));
}
