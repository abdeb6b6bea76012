// The check of dependencies in `npm run lint`: that it can fail.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { join } from 'node:path';
import { allowedLicences, isAllowed, mentions } from '../scripts/licences.mjs';
import { root } from './helpers/nodes.mjs';

const allowed = new Set(['MIT', 'Apache-2.0', 'Unicode-3.0']);

describe('licences of dependencies', () => {
  for (const expression of ['MIT', 'MIT/Apache-2.0', 'GPL-3.0 OR MIT', '(MIT OR GPL-3.0) AND Unicode-3.0', 'GPL-3.0 AND X OR MIT', '((MIT))']) {
    it(`allows ${expression}`, () => assert.equal(isAllowed(expression, allowed), true));
  }
  for (const expression of ['GPL-3.0', 'MIT AND GPL-3.0', 'MIT OR GPL-3.0 AND', '(MIT', 'MIT)', 'MIT MIT', '(MIT OR GPL-3.0) AND GPL-3.0', '', undefined, null]) {
    it(`refuses ${expression}`, () => assert.equal(isAllowed(expression, allowed), false));
  }

  it('are listed in deny.toml, where cargo-deny finds them too', () => {
    const listed = allowedLicences(readFileSync(join(root, 'deny.toml'), 'utf8'));
    assert.ok(listed.has('MIT') && listed.has('Unicode-3.0'));
    assert.ok(![...listed].some((name) => name.includes('GPL')));
    assert.throws(() => allowedLicences('[licenses]\nprivate = { ignore = true }\n[bans]\nallow = ["MIT"]\n'), /no list/);
  });

  it('a dependency is named as a word of its own', () => {
    assert.ok(mentions('| napi, napi-derive | the interface |', 'napi-derive'));
    assert.ok(mentions('| @napi-rs/cli | builds |', '@napi-rs/cli'));
    assert.ok(!mentions('| napi-derive | the interface |', 'derive'));
    assert.ok(!mentions('| @napi-rs/cli | builds |', 'cli'));
    assert.ok(!mentions('| gimli2 | reads |', 'gimli'));
  });
});
