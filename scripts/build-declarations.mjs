// Makes the declarations that are published: one file for each door, with what a program can reach through it, and nothing else. tsc emits one for
// each source, with the insides of the package in them, which would be 100 KB of an installation. Members marked @internal are left out, and so are the
// constructors of classes that a door exports as types only. Each name keeps its text and its comment; two declarations of one name
// end the build.
//
// It reads syntax alone, by TypeScript 5.9: the compiler of the build, TypeScript 7, has no parser for programs yet.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript59';

/**
 * @param {string} emitted the folder with a declaration for each source
 * @param {string} dist the folder to write to
 * @param {string[]} doors names of declarations
 * @returns {string[]} the files that were written
 */
export function buildDeclarations(emitted, dist, doors) {
  return doors.map((door) => {
    writeFileSync(join(dist, door), joined(join(emitted, door)));
    return join(dist, door);
  });
}

/**
 * @typedef {{ file: string, name: string }} Place where a name is declared or looked up next; another package has no file but a `module`
 * @typedef {{ source: ts.SourceFile, declared: Map<string, ts.Statement>, imported: Map<string, Place & { module?: string }>, exported: Map<string, Place & { isType: boolean }> }} Module
 */

function joined(door) {
  /** @type {Map<string, Module>} */
  const modules = new Map();
  const moduleOf = (file) => {
    if (!modules.has(file)) modules.set(file, parse(file));
    return modules.get(file);
  };
  /** Where a name comes from, through any number of modules that pass it on. */
  const origin = ({ file, name, module }) => {
    if (module !== undefined) return { module, name };
    const { declared, imported, exported } = moduleOf(file);
    if (declared.has(name)) return { file, name };
    const next = imported.get(name) ?? exported.get(name);
    if (next === undefined) throw new Error(`${name} is not declared in ${file}`);
    return origin(next);
  };

  const exports = [...moduleOf(door).exported].map(([as, place]) => Object.assign({ as, isType: place.isType }, origin(place)));
  const typesOnly = new Set(exports.filter(({ isType }) => isType).map(({ name }) => name));
  /** @type {Map<string, { place: Place, statement: ts.Statement, text: string | undefined }>} */
  const found = new Map();
  const packages = new Map();
  const pending = exports.map(({ file, name }) => ({ file, name }));
  for (let place = pending.shift(); place !== undefined; place = pending.shift()) {
    if (place.module !== undefined) {
      packages.set(place.module, (packages.get(place.module) ?? new Set()).add(place.name));
      continue;
    }
    const known = found.get(place.name);
    if (known !== undefined && known.place.file !== place.file) throw new Error(`${place.name} is declared in ${known.place.file} and in ${place.file}`);
    if (known !== undefined) continue;
    const from = moduleOf(place.file);
    const { text, names } = declaration(from, place, typesOnly.has(place.name));
    // One statement may declare several names.
    const isRepeated = [...found.values()].some((each) => each.statement === from.declared.get(place.name));
    found.set(place.name, { place, statement: from.declared.get(place.name), text: isRepeated ? undefined : text });
    pending.push(...names.map(origin));
  }

  const list = (isType) => exports.filter((each) => each.isType === isType).map(({ as, name }) => (as === name ? name : `${name} as ${as}`));
  return [
    ...[...packages].map(([module, names]) => `import type { ${[...names].join(', ')} } from '${module}';\n`),
    ...[...found.values()].flatMap(({ text }) => (text === undefined ? [] : `${text}\n`)),
    // Without one of these lists everything in a declaration is exported.
    `export { ${list(false).join(', ')} };\n`,
    `export type { ${list(true).join(', ')} };\n`,
  ].join('');
}

/** @returns {Module} */
function parse(file) {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const [declared, imported, exported] = [new Map(), new Map(), new Map()];
  for (const statement of source.statements) {
    const specifier = statement.moduleSpecifier?.text;
    const from = specifier === undefined ? { file } : moduleNamed(specifier, file);
    if (ts.isImportDeclaration(statement)) {
      const elements = statement.importClause?.namedBindings?.elements;
      if (elements === undefined) throw new Error(`${file} imports a whole module`);
      for (const { name, propertyName } of elements) imported.set(name.text, { ...from, name: (propertyName ?? name).text });
    } else if (ts.isExportDeclaration(statement)) {
      for (const { name, propertyName, isTypeOnly } of statement.exportClause?.elements ?? []) {
        exported.set(name.text, { ...from, name: (propertyName ?? name).text, isType: statement.isTypeOnly || isTypeOnly });
      }
    } else {
      const names = ts.isVariableStatement(statement) ? statement.declarationList.declarations.map(({ name }) => name.text) : [statement.name.text];
      for (const name of names) {
        declared.set(name, statement);
        if (statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) {
          exported.set(name, { file, name, isType: ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) });
        }
      }
    }
  }
  return { source, declared, imported, exported };
}

function moduleNamed(specifier, file) {
  return specifier.startsWith('.') ? { file: join(dirname(file), specifier.replace(/\.(c?)js$/, '.d.$1ts')) } : { module: specifier };
}

/** The text of a declaration as it is published, and the names in it that are declared elsewhere. */
function declaration({ source, declared, imported }, { file, name }, isTypeOnly) {
  const statement = declared.get(name);
  const names = [];
  const edits = [];
  const replace = (from, to, text) => edits.push({ from, to, text });
  const startOf = (node) => node.jsDoc?.at(-1)?.pos ?? node.getStart(source);
  const visit = (node) => {
    if (ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal') && (ts.isClassElement(node) || ts.isTypeElement(node))) {
      const isConstructor = ts.isConstructorDeclaration(node) && isTypeOnly;
      replace(isConstructor ? startOf(node) : node.getFullStart(), node.end, isConstructor ? 'protected constructor();' : '');
      return;
    }
    if (ts.isImportTypeNode(node)) {
      names.push({ ...moduleNamed(node.argument.literal.text, file), name: node.qualifier.text });
      replace(node.getStart(source), node.qualifier.getStart(source), '');
      node.typeArguments?.forEach(visit);
      return;
    }
    if (ts.isIdentifier(node) && node.parent.name !== node) {
      const place = imported.get(node.text) ?? (declared.has(node.text) ? { file, name: node.text } : undefined);
      if (place !== undefined) {
        names.push(place);
        if (place.name !== node.text) replace(node.getStart(source), node.end, place.name);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(statement);
  const exporting = statement.modifiers?.find(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (exporting !== undefined) replace(exporting.getStart(source), exporting.end + 1, '');
  return { names, text: edited(source.text, startOf(statement), statement.end, edits) };
}

/** A part of a text with edits in it. Two spaces are enough for an indentation. */
function edited(text, from, to, edits) {
  let result = '';
  let at = from;
  for (const edit of edits.sort((one, other) => one.from - other.from)) {
    result += text.slice(at, edit.from) + edit.text;
    at = edit.to;
  }
  return (result + text.slice(at, to)).replace(/^( {4})+/gm, (spaces) => ' '.repeat(spaces.length / 2));
}
