// `pronghorn run` between a parent and a program: the IPC channel and the terminal.
import assert from 'node:assert/strict';
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const limit = { timeout: 30_000 };

/** A folder with the program in it, gone after the test. */
function program(t, source) {
  const directory = mkdtempSync(join(tmpdir(), 'pronghorn-run-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'app.cjs');
  writeFileSync(file, source);
  return { directory, file, args: ['run', '--output-dir', directory, '--', file] };
}

test('messages keep their types where the parent asked for advanced serialization', limit, async (t) => {
  const { args } = program(t, `process.on('message', (m) => process.send({ map: m.map, big: m.big + 1n }, () => process.disconnect()));`);
  const child = fork(cli, args, { serialization: 'advanced', silent: true });
  child.send({ map: new Map([['a', 1]]), big: 41n });
  const [answer] = await once(child, 'message');
  assert.deepEqual(answer, { map: new Map([['a', 1]]), big: 42n });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('handles pass through to the program', limit, async (t) => {
  const { args } = program(t, `process.on('message', (m, socket) => { socket.end('hello from ' + m); setImmediate(() => process.disconnect()); });`);
  const child = fork(cli, args, { silent: true });
  const server = createServer((socket) => child.send('the program', socket)).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address();
  const client = spawn(process.execPath, ['-e', `require('net').connect(${port}, '127.0.0.1').pipe(process.stdout)`]);
  const [text] = await once(client.stdout, 'data');
  assert.equal(text.toString(), 'hello from the program');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('the parent can end the channel, and the last messages of a program arrive', limit, async (t) => {
  const { args } = program(t, `process.on('disconnect', () => process.exit(5)); process.send('up');`);
  const child = fork(cli, args, { silent: true });
  assert.deepEqual((await once(child, 'message'))[0], 'up');
  child.disconnect();
  assert.deepEqual(await once(child, 'exit'), [5, null]);

  const chatty = program(t, `for (let i = 0; i < 500; i++) process.send(i);`);
  const received = [];
  const second = fork(cli, chatty.args, { silent: true });
  second.on('message', (message) => received.push(message));
  second.send('keep the channel busy');
  setTimeout(() => second.connected && second.disconnect(), 3_000);
  await once(second, 'exit');
  assert.deepEqual(received, Array.from({ length: 500 }, (_, index) => index));
});

test('Ctrl-C in a terminal reaches the program once, and the profile is written', limit, async (t) => {
  const { args, directory } = program(
    t,
    `let count = 0;
     process.on('SIGINT', () => { count += 1; setTimeout(() => { console.log('count ' + count); process.exit(7); }, 500); });
     setInterval(() => {}, 1000);
     console.log('ready');`,
  );
  // script gives the command a terminal of its own, and types what it reads from us.
  const command = [process.execPath, cli, ...args].map((arg) => `'${arg}'`).join(' ');
  const terminal = spawn('script', ['-qec', `exec ${command}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  terminal.stdout.on('data', (chunk) => {
    if (!output.includes('ready') && `${output}${chunk}`.includes('ready')) terminal.stdin.write('\u0003');
    output += chunk;
  });
  const [code] = await once(terminal, 'exit');
  assert.match(output, /count 1\b/, output);
  assert.equal(code, 7, output);
  assert.equal(readdirSync(directory).filter((name) => name.endsWith('.pb.gz')).length, 1);
});
