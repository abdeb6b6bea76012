// Forks of a program that exports continuously: the parent's upload arrives once, the child sends nothing of it, and then its own. scenarios/fork-export.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { runFork } from './helpers/fork.mjs';
import { selfSigned } from './helpers/certificates.mjs';
import { startMisbehaving, startMisbehavingTls } from './helpers/misbehaving.mjs';
import { majors } from './helpers/nodes.mjs';
import { scratch } from './helpers/scratch.mjs';

/** Fewer bytes than any request of ours has. Node wakes its own loop by writing eight at a time. */
const NO_REQUEST = 50;

/** What the server does with the first request, at each moment, and then answers. */
const FIRST = {
  wait: {},
  jitter: {},
  upload: { delayMs: 2_000 },
  body: { kind: 'unread' },
  retry: { status: 503, retryAfter: 2 },
};

/** The requests of one process that came whole, by the number of their profile. */
function arrived(server, pid) {
  const whole = server.requests.filter(({ complete, aborted, headers }) => complete && !aborted && headers['x-pronghorn-process-id'] === String(pid));
  return whole.map(({ headers }) => Number(headers['x-pronghorn-sequence']));
}

async function withServer(first, run, tls) {
  const server = await (tls === undefined ? startMisbehaving(first, {}) : startMisbehavingTls(tls, first, {}));
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

const cases = [
  ...Object.keys(FIRST).map((moment) => [moment, 'fork']),
  ['upload', '_Fork'],
  ['upload', 'clone'],
  // Over HTTPS, where to destroy a socket may be to say something.
  ['upload', 'fork', 'https'],
  ['body', 'fork', 'https'],
  ['upload', '_Fork', 'https'],
];

const { keyFile, certFile } = selfSigned(scratch());
const certificate = { key: readFileSync(keyFile), cert: readFileSync(certFile), path: certFile };

for (const major of majors) {
  describe(`forks of a program that exports, Node ${major}`, { concurrency: 2 }, () => {
    for (const [moment, kind, protocol = 'http'] of cases) {
      it(`${kind} at "${moment}" over ${protocol}: the parent's profiles arrive once, the child sends its own only (Node ${major})`, () =>
        withServer(FIRST[moment], async (server) => {
          const { report } = await runFork('export', 'running', major, { url: server.url, kind, moment }, { deadlineMs: 90_000, env: { NODE_EXTRA_CA_CERTS: certificate.path } });
          const { pid, state, inherited, child, stats, last } = report;
          const underWay = moment === 'upload' || moment === 'body';
          assert.equal(inherited, underWay ? 1 : 0);
          assert.equal(state.waiting, underWay || moment === 'retry' ? 1 : 0);
          assert.deepEqual([child.forked, child.open], [false, []], 'after one turn of the loop the child is reset, and has no socket of its parent’s');
          assert.ok(child.wrote < NO_REQUEST, `the child wrote ${child.wrote} bytes`);
          const { sendMaxNanos: _, ...began } = child.began;
          assert.deepEqual(began, { exported: 0, exportedBytes: 0, failures: 0, retries: 0, dropped: 0, waiting: 0, waitingBytes: 0 });
          assert.deepEqual([child.sequence, child.parent], [0, 0]);
          assert.ok(child.work > 0 && child.rotations >= 2, 'its own work, and rotations by its own timers');
          assert.deepEqual([child.stats.dropped, child.stats.failures], [0, 0]);

          const ofChild = arrived(server, child.pid);
          assert.ok(ofChild.length >= 2 && ofChild.length <= child.rotations, `${ofChild} of ${child.rotations}`);
          assert.deepEqual(ofChild, ofChild.map((_one, index) => index));
          const ofParent = arrived(server, pid);
          // A refused attempt came whole, too.
          const once = moment === 'retry' ? ofParent.slice(1) : ofParent;
          assert.deepEqual(once, Array.from({ length: last + 1 }, (_one, index) => index), 'each profile of the parent once, in order');
          const failures = moment === 'retry' || moment === 'body' ? 1 : 0;
          assert.deepEqual([stats.exported, stats.failures, stats.retries, stats.dropped, stats.waiting], [last + 1, failures, failures, 0, 0]);
        }, protocol === 'https' ? certificate : undefined));
    }

    for (const kind of ['fork', '_Fork']) {
      it(`${kind} while stop() waits for its upload, and the profiler is off: the child leaves it alone (Node ${major})`, () =>
        withServer({ delayMs: 2_000 }, async (server) => {
          const { report } = await runFork('export', 'stopping', major, { url: server.url, kind, moment: 'stop' }, { deadlineMs: 90_000 });
          const { pid, waiting, inherited, child, stats, last } = report;
          assert.deepEqual([waiting, inherited, last], [1, 1, 0]);
          assert.deepEqual([child.forked, child.open, child.code, child.left], [false, [], 'ERR_PRONGHORN_FORKED', []]);
          assert.ok(child.wrote < NO_REQUEST, `the child wrote ${child.wrote} bytes`);
          assert.deepEqual([child.sequence, child.stats.exported, child.stats.dropped], [0, 1, 0]);
          assert.deepEqual([stats.exported, stats.failures, stats.dropped], [1, 0, 0]);
          assert.deepEqual([arrived(server, pid), arrived(server, child.pid)], [[0], [0]]);
          assert.equal(server.requests.length, 2);
        }));
    }

    for (const kind of ['fork', 'clone']) {
      it(`${kind}: parent and child keep one folder within its bounds, and no file takes another's name (Node ${major})`, async () => {
        const folder = scratch();
        const { report } = await runFork('export', 'files', major, { folder, kind, moment: 'files' });
        const { pid, before, child, stats, between, after } = report;
        const named = (files) => files.map((name) => name.match(/^CPU\.\d{8}\.\d{6}\.(\d+)\.(\d+)\.[0-9a-f]{8}\.pb\.gz$/).slice(1).map(Number));
        const sorted = (files) => named(files).sort(([a, b], [c, d]) => a - c || b - d);
        assert.deepEqual(sorted(before), [[pid, 0], [pid, 1]]);
        assert.deepEqual([child.stats.exported, child.stats.dropped, stats.exported, stats.dropped], [3, 0, 3, 0]);
        assert.deepEqual(sorted(child.files), [0, 1, 2].map((sequence) => [child.pid, sequence]), 'the oldest go first');
        assert.deepEqual(sorted(between), sorted(child.files).slice(1).concat([[pid, 2]]).sort(([a, b], [c, d]) => a - c || b - d));
        assert.deepEqual(sorted(after), [[child.pid, 2], [pid, 2], [pid, 3]].sort(([a, b], [c, d]) => a - c || b - d));
      });
    }
  });
}
