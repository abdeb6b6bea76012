// `pronghorn flame` and `pronghorn open` as commands: what they write and serve, what they refuse, and how they end.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { launch, run, runOk } from './helpers/child.mjs';
import { HOSTILE, hostileProfile } from './helpers/hostile-profile.mjs';
import { manySamples } from './helpers/many-samples.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { scratch } from './helpers/scratch.mjs';
import { buildProfile } from './lib/build-profile.mjs';

const cli = join(root, 'dist/cli.js');
const node = nodePath(majors[0]);
const out = scratch();
const path = (name) => join(out, name);
const file = (name, bytes) => {
  writeFileSync(path(name), bytes);
  return path(name);
};
const flame = (...args) => run(node, [cli, 'flame', ...args]);
const flameOk = (...args) => runOk(node, [cli, 'flame', ...args]);

/** The data in a page: its header, and how many bytes of columns follow. */
function dataOf(page) {
  const base64 = /<script type="application\/octet-stream" id="profile-data">([A-Za-z0-9+/=]*)<\/script>/.exec(page)[1];
  const bytes = gunzipSync(Buffer.from(base64, 'base64'));
  const end = 4 + bytes.readUInt32LE(0);
  return JSON.parse(bytes.subarray(4, end).toString());
}

const small = file('small.pb.gz', buildProfile({ stacks: [{ stack: ['f /app/a.js:1'], values: [1, 5, 9] }] }));
const other = file('other.pb.gz', buildProfile({ stacks: [{ stack: ['g /app/a.js:5', 'f /app/a.js:1'], values: [2, 6, 9] }] }));

describe('pronghorn flame', () => {
  it('writes one page beside the first file, and says where', async () => {
    const { stderr, stdout } = await flameOk(small);
    assert.equal(stderr, `pronghorn: flame graph written to ${path('small.html')}\n`);
    assert.equal(stdout, '');
    const page = readFileSync(path('small.html'), 'utf8');
    assert.match(page, /<title>small\.pb\.gz<\/title>/);
    assert.equal(dataOf(page).title, 'small.pb.gz');
    assert.equal(readdirSync(out).filter((name) => name.endsWith('.tmp')).length, 0);
  });

  it('names no other place: no address, and nothing that a browser would fetch', async () => {
    const page = (await flameOk(small, '-o', '-')).stdout;
    const markup = page.replaceAll(/<script type="application\/octet-stream"[^]*?<\/script>/g, '');
    // The names of XML's languages are all that looks like an address, in a library that makes SVG elements.
    const addresses = [...markup.matchAll(/\b(?:https?|wss?|ftp):\/\/[^"'`\s]*/g)].map((match) => match[0]);
    for (const address of addresses) assert.match(address, /^http:\/\/www\.w3\.org\/(1999\/xhtml|1999\/xlink|2000\/svg|2000\/xmlns\/|XML\/1998\/namespace)$/);
    assert.doesNotMatch(markup, /<(?:script|img|iframe|link)[^>]*\s(?:src|href)=(?!"data:,")|@import|url\(/i);
    assert.match(page, /<meta http-equiv="content-security-policy" content="default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; img-src data:;/);
  });

  it('carries the licences of what is bundled', async () => {
    const page = (await flameOk(small, '-o', '-')).stdout;
    const base64 = /id="licence-data">([^<]*)</.exec(page)[1];
    const text = gunzipSync(Buffer.from(base64, 'base64')).toString();
    // The file leaves out the text that stands in the package's own LICENSE.
    const beside = readFileSync(join(root, 'dist/flame.LICENCES.txt'), 'utf8');
    for (const name of ['d3-flame-graph', 'd3-selection', 'd3-hierarchy', 'd3-transition'])
      for (const each of [text, beside]) assert.match(each, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
    for (const each of [text, readFileSync(join(root, 'LICENSE'), 'utf8')]) assert.match(each, /Apache License\s+Version 2\.0/);
    for (const each of [text, beside]) assert.match(each, /Copyright 2010-\d+ Mike Bostock/);
  });

  it('is small for a small profile, and compact for a large one', async () => {
    await flameOk(small, '-o', path('size.html'));
    const empty = statSync(path('size.html')).size;
    assert.ok(empty < 150_000, `${empty} bytes`);
    const many = file('many.pb.gz', manySamples(20_000));
    await flameOk(many, '-o', path('many.html'));
    const { size } = statSync(path('many.html'));
    assert.ok(size - empty < 2 * statSync(many).size, `${size} bytes for a profile of ${statSync(many).size}`);
  });

  it('replaces a page of its own, and nothing else', async () => {
    await flameOk(small, '-o', path('again.html'));
    await flameOk(other, '-o', path('again.html'));
    assert.equal(dataOf(readFileSync(path('again.html'), 'utf8')).title, 'other.pb.gz');
    file('empty.html', '');
    await flameOk(small, '-o', path('empty.html'));
    mkdirSync(path('folder'));
    const before = readFileSync(other);
    for (const [target, message] of [
      [other, /is not a page of pronghorn flame, and is kept; remove it or choose another name/],
      [file('notes.html', '<!doctype html><title>mine</title>'), /is not a page of pronghorn flame/],
      [path('folder'), /it is a folder/],
      ['/dev/null', /not a regular file \(-o - writes to standard output\)/],
      [join(small, 'x.html'), /could not be written to/],
    ]) {
      const result = await flame(small, '-o', target);
      assert.equal(result.code, 1, result.stderr);
      assert.match(result.stderr, message);
      assert.doesNotMatch(result.stderr, /at .*\.js:\d+/, 'an error message, not a stack');
    }
    assert.deepEqual(readFileSync(other), before);
    assert.ok(!statSync('/dev/null').isFile());
  });

  it('merges several files', async () => {
    const { samples, stacks, title } = dataOf((await flameOk(small, other, small, '-o', '-')).stdout);
    assert.deepEqual([samples, stacks, title], [4, 2, 'small.pb.gz and 2 more']);
  });

  it('takes value, grouping and a profile to compare with', async () => {
    const data = dataOf((await flameOk(small, '--value', 'wall', '--by', 'process', '-o', '-')).stdout);
    assert.deepEqual([data.values[data.shownValue].type, data.by], ['wall', 'process']);
    await flameOk(small, '--diff', other);
    const compared = readFileSync(path('small.diff.html'), 'utf8');
    assert.match(compared, /<title>small\.pb\.gz compared with other\.pb\.gz<\/title>/);
    assert.deepEqual([dataOf(compared).base.title, dataOf(compared).base.samples], ['other.pb.gz', 2]);
  });

  it('says what is wrong, with the exit codes of top and merge, and writes nothing then', async () => {
    const heap = file('heap.pb.gz', buildProfile({ types: [['space', 'bytes']], defaultType: undefined, stacks: [{ stack: ['f /a.js:1'], values: [1] }] }));
    const bad = file('bad.pb.gz', 'no profile');
    const target = path('never.html');
    for (const [args, code, message] of [
      [[path('missing.pb.gz')], 1, /missing\.pb\.gz cannot be read as a pprof profile: there is no such file/],
      [[bad], 1, /bad\.pb\.gz cannot be read/],
      [[small, bad], 1, /bad\.pb\.gz cannot be read/],
      [[small, heap], 1, /heap\.pb\.gz cannot be merged with .*small\.pb\.gz/],
      [[heap, '--value', 'cpu'], 1, /has no value cpu; it has space/],
      [[small, '--diff', heap], 1, /cannot be compared: heap\.pb\.gz has no value samples in count; it has space in bytes/],
      [[small, '--diff', path('missing.pb.gz')], 1, /missing\.pb\.gz cannot be read/],
      [[], 2, /no file; for example: pronghorn flame/],
      [[small, '--value', 'heap'], 2, /--value must be one of/],
      [[small, '--colour', 'red'], 2, /unknown option --colour/],
    ]) {
      const result = await flame(...args, '-o', target);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, message);
      assert.doesNotMatch(result.stderr, /at .*\.js:\d+/, 'an error message, not a stack');
    }
    assert.ok(!existsSync(target));
  });

  it('lets no name out of its place', async () => {
    const name = `<b>&"'{{data}}.pb.gz`;
    const { stdout } = await flameOk(file(name, hostileProfile()), '--by', 'thread', '-o', '-');
    assert.match(stdout, /<title>&lt;b&gt;&amp;&quot;&#39;\{\{data\}\}\.pb\.gz<\/title>/);
    // Two elements with data, one with the script: nothing in the profile has ended one or begun another.
    assert.deepEqual([...stdout.matchAll(/<script/gi)].length, 3);
    assert.deepEqual([...stdout.matchAll(/<\/script/gi)].length, 3);
    for (const each of HOSTILE.filter((text) => text.length < 100 && text !== '__proto__' && text !== 'constructor')) assert.ok(!stdout.includes(each), each);
    const { strings } = dataOf(stdout);
    // eslint-disable-next-line no-control-regex
    for (const text of strings) assert.ok(text.length <= 4096 && !/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/.test(text), JSON.stringify(text.slice(0, 80)));
  });

  it('prints its help, with examples', async () => {
    for (const command of ['flame', 'open']) {
      const { stdout } = await runOk(node, [cli, command, '--help']);
      assert.match(stdout, /Usage:[^]*--diff BASE[^]*Examples:\n {2}pronghorn/);
    }
  });
});

describe('pronghorn open', () => {
  const running = [];
  after(() => running.forEach((child) => child.killGroup()));

  /** Starts it without a browser; the port is in its first line. */
  async function open(...args) {
    const child = launch(node, [cli, 'open', '--no-browser', ...args], { deadlineMs: 60_000 });
    running.push(child);
    const url = (await child.waitFor('\n')).trim();
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    return { child, url, port: Number(new URL(url).port) };
  }

  const ask = (port, { host = `127.0.0.1:${port}`, method = 'GET', path: target = '/' } = {}) =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, method, path: target, headers: { host }, timeout: 10_000 }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }));
      });
      asked.on('error', reject);
      asked.end();
    });

  it('serves the page that flame writes, until Ctrl-C', async () => {
    const { child, port } = await open(small);
    const { status, headers, body } = await ask(port);
    assert.equal(status, 200);
    assert.equal(body, (await flameOk(small, '-o', '-')).stdout);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cache-control'], 'no-store');
    const head = await ask(port, { method: 'HEAD' });
    assert.deepEqual([head.status, head.body, Number(head.headers['content-length'])], [200, '', Buffer.byteLength(body)]);
    child.kill('SIGINT');
    const { code, signal, timedOut } = await child.done;
    assert.deepEqual([code, signal, timedOut], [0, null, false]);
  });

  it('answers nobody who asks for another host, another thing, or in another way', async () => {
    const { child, port } = await open(small);
    for (const [question, status] of [
      [{ host: `localhost:${port}` }, 200],
      [{ host: `LOCALHOST:${port}` }, 200],
      [{ host: 'evil.example' }, 421],
      [{ host: `evil.example:${port}` }, 421],
      [{ host: '127.0.0.1' }, 421],
      [{ host: `127.0.0.1:${port}.evil.example` }, 421],
      [{ path: '/favicon.ico' }, 404],
      [{ path: '/../../etc/passwd' }, 404],
      [{ method: 'POST' }, 405],
      [{ method: 'DELETE' }, 405],
      [{ method: 'OPTIONS' }, 405],
    ]) {
      const answer = await ask(port, question);
      assert.equal(answer.status, status, JSON.stringify(question));
      if (status !== 200) assert.ok(!answer.body.includes('profile-data'));
      if (status === 405) assert.equal(answer.headers.allow, 'GET, HEAD');
    }
    child.kill('SIGTERM');
    assert.equal((await child.done).code, 0);
  });

  it('listens on the loopback address only', async (t) => {
    const addresses = Object.values(networkInterfaces()).flat().filter((each) => each.family === 'IPv4' && !each.internal).map((each) => each.address);
    const { child, port } = await open(small);
    // Another loopback address is another address, too.
    for (const address of ['127.0.0.2', ...addresses]) {
      const connected = await new Promise((resolve) => {
        const socket = connect({ host: address, port, timeout: 3000 });
        const end = (result) => {
          socket.destroy();
          resolve(result);
        };
        socket.on('connect', () => end(true)).on('error', () => end(false)).on('timeout', () => end(false));
      });
      assert.equal(connected, false, address);
    }
    t.diagnostic(`tried 127.0.0.2 and ${addresses.length} more`);
    child.kill('SIGINT');
    await child.done;
  });

  it('takes a port, and says so if it is taken', async () => {
    const first = await open(small);
    const result = await run(node, [cli, 'open', '--no-browser', '--port', String(first.port), small]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /cannot be served on 127\.0\.0\.1:\d+: another program has that port/);
    first.child.kill('SIGINT');
    await first.child.done;
    const second = await open(small, '--port', String(first.port));
    assert.equal(second.port, first.port);
    second.child.kill('SIGINT');
    await second.child.done;
  });

  it('says what is wrong with a file before it listens', async () => {
    const result = await run(node, [cli, 'open', '--no-browser', path('missing.pb.gz')]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /there is no such file/);
    assert.equal(result.stdout, '');
  });
});
