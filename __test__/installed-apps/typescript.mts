// From TypeScript: the declarations that are published are enough, and what they say holds.
import { AlreadyStartedError, start, withLabels, type Profile, type Profiler, type StartOptions } from 'pronghorn';

function burn(ms: number): number {
  const before = process.cpuUsage();
  let sum = 0;
  while (process.cpuUsage(before).user < ms * 1_000) for (let index = 0; index < 50_000; index++) sum += Math.sqrt(index);
  return sum;
}

const options: StartOptions = { intervalMicros: 1_000, nativeFrames: 'leaf' };
const profiler: Profiler = start(options);
try {
  start();
} catch (error: unknown) {
  if (!(error instanceof AlreadyStartedError)) throw error;
}
const sum: number = withLabels({ route: '/typed' }, () => burn(200));
const result: Profile = await profiler.stop();
await result.save(process.argv[2] ?? '');
if (!Number.isFinite(sum)) throw new Error('no sum');
