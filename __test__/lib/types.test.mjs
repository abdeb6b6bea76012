// The published types, as a program that installs the package sees them, by the compiler of today and the one of 5.9.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

const program = `
import { type Profile, type Profiler, profile, PronghornError, resetAfterFork, type ResetMessage, start, stop, type Stats } from 'pronghorn';

const profiler: Profiler = start({ intervalMicros: 5_000, nativeFrames: 'leaf', maxDepth: undefined, afterFork: 'stop' });
export async function use(signal: AbortSignal): Promise<string> {
  const rotated: Profile = await profiler.rotate();
  const stats: Stats = rotated.stats;
  const walk: boolean = profiler.capabilities.walk && profiler.capabilities.fork.handlers && resetAfterFork();
  const origin: [number, string, number] = [rotated.processId, rotated.runtimeId, rotated.sequence];
  const lasted = (message: ResetMessage): bigint => message.unprofiledNanos + BigInt(origin.length);
  void lasted;
  const nanos: bigint = rotated.endTimeNanos - rotated.startTimeNanos;
  const whole: Profile = await profile({ durationMs: stats.samples, signal });
  const bytes: Buffer = (await stop()).data;
  try {
    return (await whole.save('x')) + walk + nanos + bytes.length;
  } catch (error) {
    return error instanceof PronghornError && error.code === 'ERR_PRONGHORN_WRITE_FAILED' ? error.message : '';
  }
}
`;
const continuous = `
import { start, ExportError, type Exporter, type ExportMessage, type ProfilerStats, type QueueStats, type Report, type Sent, type StartOptions } from 'pronghorn';

class Own implements Exporter {
  readonly name = 'own';
  async send({ profile, service, labels }: Report, signal: AbortSignal): Promise<Sent> {
    if (signal.aborted || labels['x'] === service) throw new ExportError('later', { retry: true, retryAfterMs: 5 });
    return { bytes: profile.data.length };
  }
}
const options: StartOptions = {
  periodMs: 5_000,
  exporters: [new Own(), { type: 'otlp' }, { type: 'parca', url: new URL('http://x') }, { type: 'file', directory: 'x', maxFiles: undefined }, { type: 'http', url: 'http://x', method: 'PUT' }],
  queue: { maxAgeMs: 5_000 },
};
const stats: ProfilerStats = start(options).stats();
export const queue: QueueStats | undefined = stats.exporters['own'];
export const late = (message: ExportMessage): boolean => message.outcome === 'dropped' && message.reason === 'too old' && message.error?.retry === true;
`;
const wrong = `
import { profile, start } from 'pronghorn';
start({ intervalMicros: '5000' });
start({ nativeFrames: 'some' });
start({ intervalMicro: 5_000 });
void profile({});
start({ exporters: [{ type: 'parca' }] });
void profile({ durationMs: 1, exporters: [] });
`;

for (const compiler of ['typescript', 'typescript59']) {
  test(`the types serve ES modules and CommonJS (${compiler})`, (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'pronghorn-types-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    mkdirSync(join(directory, 'node_modules'));
    symlinkSync(root, join(directory, 'node_modules/pronghorn'));
    symlinkSync(join(root, 'node_modules/@types'), join(directory, 'node_modules/@types'));
    writeFileSync(join(directory, 'esm.mts'), `${program}import 'pronghorn/register';\n`);
    writeFileSync(join(directory, 'commonjs.cts'), program);
    writeFileSync(join(directory, 'continuous.mts'), continuous);
    writeFileSync(join(directory, 'wrong.mts'), wrong);
    const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
    const tsc = (...files) => spawnSync(process.execPath, [join(root, 'node_modules', compiler, compiler === 'typescript' ? 'bin/tsc' : 'lib/tsc.js'), ...options, ...files], { cwd: directory, encoding: 'utf8' });

    const right = tsc('esm.mts', 'commonjs.cts', 'continuous.mts');
    assert.equal(right.status, 0, right.stdout);
    const refused = tsc('wrong.mts');
    assert.deepEqual([...refused.stdout.matchAll(/wrong\.mts\((\d+),/g)].map((match) => Number(match[1])), [3, 4, 5, 6, 7, 8], refused.stdout);
  });
}
