// The private parts of an object, and the variables of a module, as a debugger sees them: for tests of what a component keeps.
import { Session } from 'node:inspector';

const session = new Session();
session.connect();
const hand = Symbol.for('pronghorn.test.hand');

/** Speaks with this process's own inspector, which answers at once. */
function ask(method, parameters) {
  let answer;
  session.post(method, parameters, (error, result) => {
    if (error) throw new Error(`${method}: ${error.message}`);
    answer = result;
  });
  return answer;
}

const HAND = 'globalThis[Symbol.for("pronghorn.test.hand")]';

function handleOf(value) {
  globalThis[hand] = value;
  const { result } = ask('Runtime.evaluate', { expression: HAND });
  delete globalThis[hand];
  return result.objectId;
}

/** The very object behind a handle. */
function taken(objectId) {
  ask('Runtime.callFunctionOn', { objectId, functionDeclaration: `function () { ${HAND} = this; }` });
  const value = globalThis[hand];
  delete globalThis[hand];
  return value;
}

/** The object that a private property of `owner` holds, not a copy: `insideOf(profiler, '#state')`. */
export function insideOf(owner, name) {
  const { privateProperties = [] } = ask('Runtime.getProperties', { objectId: handleOf(owner), ownProperties: true });
  const property = privateProperties.find((each) => each.name === name);
  if (property?.value?.objectId === undefined) throw new Error(`no object ${name} among ${privateProperties.map((each) => each.name)}`);
  return taken(property.value.objectId);
}

/** The object that a variable holds which `closure` sees: one of its module's, if no function around it has that name. */
export function seenBy(closure, name) {
  const { internalProperties } = ask('Runtime.getProperties', { objectId: handleOf(closure), ownProperties: true });
  const scopes = internalProperties.find((each) => each.name === '[[Scopes]]').value.objectId;
  for (const { value } of ask('Runtime.getProperties', { objectId: scopes, ownProperties: true }).result) {
    if (value?.objectId === undefined) continue;
    const found = ask('Runtime.getProperties', { objectId: value.objectId, ownProperties: true }).result.find((each) => each.name === name);
    if (found?.value?.objectId !== undefined) return taken(found.value.objectId);
  }
  throw new Error(`nothing called ${name} is seen`);
}
