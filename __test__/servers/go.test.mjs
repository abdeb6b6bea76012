// Which Go builds the servers: a fake one on the PATH says its version. None of these tests installs or fetches anything.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { run } from '../helpers/child.mjs';
import { scratch } from '../helpers/scratch.mjs';
import { fileOf, serverPath, servers } from './cache.mjs';

const ask = `
  const { goEnvironment } = await import(${JSON.stringify(new URL('go.mjs', import.meta.url).href)});
  const said = [];
  try {
    console.log(JSON.stringify({ env: goEnvironment((text) => said.push(text)), said }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message, said }));
  }`;

/** What go.mjs does where the only commands are a `go` and an `apt-cache` of these contents. */
async function where({ go, apt }) {
  const bin = scratch();
  const command = (name, script) => script && writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  command('go', go);
  command('apt-get', apt && 'exit 0');
  command('apt-cache', apt);
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', ask], { env: { PATH: bin } });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

const says = (version, rest = 'exit 0') => `if [ "$1" = env ]; then echo ${version}; exit 0; fi; ${rest}`;

it('takes a Go that is new enough as it is', async () => {
  assert.deepEqual(await where({ go: says('go1.26.8') }), { env: {}, said: [] });
  assert.deepEqual(await where({ go: says('go1.30rc1') }), { env: {}, said: [] });
});

it('lets an older Go fetch a newer one', async () => {
  const { env, said } = await where({ go: says('go1.24.1') });
  assert.match(env.GOTOOLCHAIN, /^go1\.\d+\.\d+$/);
  assert.equal(said.length, 1);
  const { error } = await where({ go: says('go1.24.1', 'echo "no proxy" >&2; exit 1') });
  assert.match(error, /^no proxy\ninstall Go 1\.26 or later/);
});

it('says what to do where Go is too old to fetch one, or is not there', async () => {
  assert.match((await where({ go: says('go1.19.8') })).error, /^Go 1\.19 is too old: install Go 1\.26 or later/);
  assert.match((await where({})).error, /^the command "go" is not on the PATH: install Go 1\.26 or later/);
  // Debian has one, but it would be of no use, so it is not installed.
  const { error, said } = await where({ apt: 'echo "  Candidate: 2:1.19~1"' });
  assert.match(error, /not on the PATH/);
  assert.deepEqual(said, []);
});

it('names a server after what it is built from, and the command that builds a missing one', () => {
  const folder = `${scratch()}/`;
  const server = { name: 'other', folder, package: '.' };
  const names = ['1', '2', '1'].map((text) => {
    writeFileSync(`${folder}go.mod`, text);
    return fileOf(server);
  });
  assert.equal(names[0], names[2]);
  assert.notEqual(names[0], names[1]);
  servers.push(server);
  try {
    assert.throws(() => serverPath('other'), /other-[0-9a-f]{16} is missing: run "node __test__\/servers\/build\.mjs"$/);
  } finally {
    servers.pop();
  }
});
