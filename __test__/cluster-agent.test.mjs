// Workers that could not read the agent start without it, and are named: a flag that names a file which they cannot read would be their end.
import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runOk } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { scratch } from './helpers/scratch.mjs';

const NOBODY = 65_534;

/** A primary that imports its own copy of the package, does something to it, forks a worker, and profiles both. */
const source = (act) => `
  import cluster from 'node:cluster';
  import { chmodSync, rmSync } from 'node:fs';
  import { once } from 'node:events';
  if (cluster.isPrimary) {
    const { startCluster } = await import('./package/dist/index.js');
    ${act}
    const worker = cluster.fork();
    const ended = once(worker, 'exit').then((how) => { throw new Error('the worker ended: ' + how); });
    ended.catch(() => undefined);
    const [message] = await Promise.race([once(worker, 'message'), ended]);
    const session = startCluster({ workerTimeoutMs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { processes } = await session.stop();
    console.log('REPORT ' + JSON.stringify({ message, codes: processes.map(({ error }) => error?.code ?? 'none'), texts: processes.map(({ error }) => error?.message) }));
    worker.process.kill('SIGKILL');
  } else {
    process.send({ uid: process.getuid(), execArgv: process.execArgv });
    setInterval(() => undefined, 1_000);
  }`;

async function runs(major, act) {
  const folder = scratch();
  chmodSync(folder, 0o755);
  const copy = join(folder, 'package');
  mkdirSync(copy);
  for (const name of ['dist', 'package.json', 'native.cjs', 'pronghorn.linux-x64-gnu.node']) cpSync(join(root, name), join(copy, name), { recursive: true });
  const app = join(folder, 'app.mjs');
  writeFileSync(app, source(act));
  const { stdout } = await runOk(nodePath(major), [app], { deadlineMs: 20_000, cwd: folder });
  return JSON.parse(/^REPORT (.*)$/m.exec(stdout)[1]);
}

function isUnreachable({ message, codes, texts }) {
  assert.deepEqual(codes, ['none', 'ERR_PRONGHORN_WORKER_UNREACHABLE']);
  assert.match(texts[1], /could not read pronghorn's files/);
  assert.deepEqual(message.execArgv, []);
}

for (const major of majors) {
  describe(`workers that cannot read the agent on Node ${major}`, { concurrency: 2 }, () => {
    it(`its folder was removed while the primary runs (Node ${major})`, async () => {
      isUnreachable(await runs(major, `rmSync('package/dist/lib/cluster-agent.cjs');`));
    });

    describe('as another user', { skip: process.getuid() !== 0 && 'only root can start one' }, () => {
      it(`who may not read the package (Node ${major})`, async () => {
        const result = await runs(major, `chmodSync('package/dist', 0o700); cluster.setupPrimary({ uid: ${NOBODY}, gid: ${NOBODY} });`);
        isUnreachable(result);
        assert.equal(result.message.uid, NOBODY);
      });

      it(`who may: then the worker takes part (Node ${major})`, async () => {
        const { message, codes, texts } = await runs(major, `cluster.setupPrimary({ uid: ${NOBODY}, gid: ${NOBODY} });`);
        assert.deepEqual([message, codes], [{ uid: NOBODY, execArgv: [] }, ['none', 'none']], texts.join());
      });
    });
  });
}
