// Has V8 compile functions when it compiles their module, instead of when they are first called: methods and functions of lib/core.js that a first start() without
// exporters, a rotate() and a stop() call, for which the program would wait in its event loop. V8 leaves every function for its first call but function expressions
// in parentheses (in V8 11.3 to 14.6 `next_function_is_likely_called`, src/parsing/parser-base.h; arrow functions from 13 on). docs/measurements.md has what it
// saves, what the import costs more, and for how long it lasts: V8 throws away what has not run for six full collections.
//
// A declaration becomes a variable at the top of its module, and what were arrow functions in any of them are function expressions, too. A method becomes an expression, still inside its class, where it may use private names:
//
//   static { ofProfiler = { 'rotate': (function () { … }) }; … } // each becomes a property of the prototype
//   static { ofProfiler = { '#begin': (function () { … }) }; }
//   #begin = ofProfiler['#begin'];
//
// The keys give the functions the names that they have in stacks and profiles; a class that named itself would be renamed by esbuild. Constructors stay as they
// are, as do methods with `super` and static ones. What an arrow function means by `this` is in `outerThis`.
import ts from 'typescript59';

/** What a first start(), rotate() and stop() call, by module of build/. eager.test.mjs finds what is missing here. */
const CALLED = {
  'lib/api.js': ['startAs', 'continuousOf'],
  'lib/caller.js': ['callerOf'],
  'lib/channels.js': ['startIsHeard', 'publishRotate', 'publishStop', 'publishProfile'],
  'lib/collector.js': ['start', 'rotate', 'stop', '#stopLater', '#finished', 'stats', 'capabilities', '#sync', '#async', 'nextTurn', 'fromLoop'],
  'lib/execve.js': ['start', '#set', 'rest', 'hooksOff'],
  'lib/fork/chain.js': ['setTest', 'join'],
  'lib/fork/own-process.js': ['inOwnProcess'],
  'lib/fork/promises.js': ['track', 'watch'],
  'lib/identity.js': ['get runtimeId', 'get pid', 'get comments'],
  'lib/off-thread.js': ['offThread', 'wait', 'lookAgain'],
  'lib/options.js': ['validateOptions', 'optionsObject', 'testOptions'],
  'lib/process-labels.js': ['processLabels', 'clusterWorkerId'],
  'lib/profile-sequence.js': ['begin', 'next'],
  'lib/profiler-stats.js': ['count', 'countMore', 'profilerStats'],
  'lib/profiler.js': [
    '#start',
    'rotate',
    '#rotate',
    '#rotated',
    'stop',
    '#stop',
    '#afterDelivery',
    '#isOver',
    '#tellStall',
    '#beforeStop',
    '#endedBy',
    '#markStopping',
    '#ended',
    '#end',
    '#requireHere',
    '#requireRunning',
  ],
  'lib/registry.js': ['get current', 'set', 'clear'],
  'lib/stalls.js': ['stallFile'],
  'lib/threads.js': ['tell', '#forgetDead', 'silence'],
  'lib/unsettled.js': ['get isTaken', 'arrived', 'settle'],
  'lib/with-resolvers.js': ['withResolvers'],
};

/**
 * @param {string} source of a module
 * @param {string} module its path in build/
 * @returns {string} the same, with those of its functions to be compiled so
 */
export function withEagerFunctions(source, module) {
  if (!Object.hasOwn(CALLED, module)) return source;
  const tree = ts.createSourceFile(module, source, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  const missing = new Set(CALLED[module]);
  /** Once for each name. */
  const isWanted = (name) => missing.delete(name);
  const edits = [];
  const variables = [];
  for (const statement of tree.statements) {
    if (ts.isFunctionDeclaration(statement) && isWanted(statement.name.text)) variables.push(takeDeclaration(source, statement, edits));
    if (ts.isClassDeclaration(statement)) variables.push(...takeMethods(source, statement, isWanted, edits));
  }
  if (missing.size > 0) throw new Error(`${module} has no function or method of these names that can be compiled early: ${[...missing].join(', ')}`);
  return [...variables, apply(source, edits)].join('\n');
}

/** @returns {string} the variable that it becomes */
function takeDeclaration(source, declaration, edits) {
  const name = declaration.name.text;
  const isExported = has(declaration, ts.SyntaxKind.ExportKeyword);
  edits.push({ start: declaration.getStart(), end: declaration.end, text: '' });
  return `${isExported ? 'export ' : ''}var ${name} = (${asExpression(source, declaration, name)});`;
}

/** @returns {string[]} the variables that it needs */
function takeMethods(source, owner, isWanted, edits) {
  const [privates, publics, accessors] = [[], [], []];
  for (const method of owner.members) {
    if (!isMovable(method) || !isWanted(nameOf(method))) continue;
    const place = !ts.isMethodDeclaration(method) ? accessors : ts.isPrivateIdentifier(method.name) ? privates : publics;
    place.push(method);
    edits.push({ start: method.getStart(), end: method.end, text: '' });
  }
  const functions = (methods) => `{ ${methods.map((method) => `'${nameOf(method)}': (${asExpression(source, method, '')})`).join(', ')} }`;
  const variable = `of${owner.name.text}`;
  if (source.includes(variable)) throw new Error(`${owner.name.text}: there is a ${variable} already`);
  const parts = [];
  // What a program has put on Object.prototype is neither a method of ours nor a word of a descriptor.
  if (publics.length > 0) {
    const define = `Object.defineProperty(this.prototype, name, { __proto__: null, value: ${variable}[name], writable: true, configurable: true });`;
    parts.push(`static { ${variable} = ${functions(publics)}; for (const name of Object.keys(${variable})) ${define} }`);
  }
  if (accessors.length > 0) {
    const define = (accessor) => `Object.defineProperty(this.prototype, '${accessor.name.text}', { __proto__: null, ${kindOf(accessor)}: ${variable}['${nameOf(accessor)}'], configurable: true });`;
    parts.push(`static { ${variable} = ${functions(accessors)}; ${accessors.map(define).join(' ')} }`);
  }
  // Last, since each object takes them from the variable, and before the fields of the class, which may be made with them.
  if (privates.length > 0) parts.push(`static { ${variable} = ${functions(privates)}; }`, ...privates.map((method) => `${nameOf(method)} = ${variable}['${nameOf(method)}'];`));
  edits.push({ start: owner.members.pos, end: owner.members.pos, text: `${parts.join('\n')}\n` });
  return parts.length > 0 ? [`let ${variable};`] : [];
}

/** As in stacks. */
function nameOf(method) {
  return ts.isMethodDeclaration(method) ? method.name.text : `${kindOf(method)} ${method.name.text}`;
}

const kindOf = (accessor) => (ts.isGetAccessor(accessor) ? 'get' : 'set');

/** Whether it means the same as an expression. */
function isMovable(member) {
  const isKind = ts.isMethodDeclaration(member) || ts.isGetAccessor(member) || ts.isSetAccessor(member);
  if (!isKind || has(member, ts.SyntaxKind.StaticKeyword) || ts.isComputedPropertyName(member.name)) return false;
  if (ts.isPrivateIdentifier(member.name) && !ts.isMethodDeclaration(member)) return false;
  return !usesSuper(member.body);
}

function asExpression(source, node, name) {
  const isAsync = has(node, ts.SyntaxKind.AsyncKeyword) ? 'async ' : '';
  const star = node.asteriskToken === undefined ? '' : '*';
  const opening = source.lastIndexOf('(', node.parameters.pos);
  return `${isAsync}function${star} ${name}${withEagerArrows(source, node, opening)}`;
}

/** What stands for `this` in what was an arrow function. */
const OUTER = 'outerThis';

/** @returns {string} the function from `start` on, its arrow functions as function expressions in parentheses */
function withEagerArrows(source, node, start) {
  if (source.includes(OUTER)) throw new Error(`there is an ${OUTER} already`);
  const bodyAt = node.body.getStart();
  const body = rewritten(source, node.body, false);
  // Behind the brace that opens it.
  const outer = body.includes(OUTER) ? `{ const ${OUTER} = this;${body.slice(1)}` : body;
  return source.slice(start, bodyAt) + outer + source.slice(node.body.end, node.end);
}

/** @returns {string} the text of a node. @param isArrow whether it is in an arrow function, and so not in its own function any more */
function rewritten(source, node, isArrow) {
  let text = '';
  let at = node.getStart();
  const look = (child) => {
    if (ts.isClassLike(child) || (isArrow && wouldMeanAnotherThing(child))) throw new Error(`${child.getText()} would mean another thing in a function expression: ${source.slice(node.getStart(), node.end)}`);
    // Functions with a `this` of their own stay as they are, but for a name that is worked out.
    if (ts.isFunctionLike(child) && !ts.isArrowFunction(child)) return void (child.name && look(child.name));
    const replacement = ts.isArrowFunction(child) ? `(${asFunction(source, child)})` : isArrow && child.kind === ts.SyntaxKind.ThisKeyword ? OUTER : undefined;
    if (replacement === undefined) return void ts.forEachChild(child, look);
    text += source.slice(at, child.getStart()) + replacement;
    at = child.end;
  };
  look(node);
  return text + source.slice(at, node.end);
}

/** Words of the function around, and what has a `this` of its own in some places and not in others. */
function wouldMeanAnotherThing(node) {
  const isWord = node.kind === ts.SyntaxKind.SuperKeyword || ts.isMetaProperty(node) || (ts.isIdentifier(node) && node.text === 'arguments');
  return isWord || ts.isComputedPropertyName(node);
}

function asFunction(source, arrow) {
  const isAsync = has(arrow, ts.SyntaxKind.AsyncKeyword) ? 'async ' : '';
  const isWorkedOut = (node) => node.initializer !== undefined || ts.isComputedPropertyName(node) || ts.forEachChild(node, (child) => isWorkedOut(child) || undefined) === true;
  if (arrow.parameters.some(isWorkedOut)) throw new Error(`parameters are not looked into: ${arrow.getText()}`);
  const parameters = arrow.parameters.map((parameter) => parameter.getText()).join(', ');
  const body = rewritten(source, arrow.body, true);
  return `${isAsync}function (${parameters}) ${ts.isBlock(arrow.body) ? body : `{ return ${body}; }`}`;
}

function has(node, kind) {
  return node.modifiers?.some((modifier) => modifier.kind === kind) ?? false;
}

function usesSuper(node) {
  return node.kind === ts.SyntaxKind.SuperKeyword || ts.forEachChild(node, (child) => usesSuper(child) || undefined) === true;
}

function apply(source, edits) {
  let text = source;
  for (const { start, end, text: replacement } of edits.toSorted((one, other) => other.start - one.start)) {
    text = text.slice(0, start) + replacement + text.slice(end);
  }
  return text;
}
