// @datadog/pprof's time profiler with CPU time, as dd-trace runs it: CPU time needs contexts, and rules out line numbers.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../peers/package.json', import.meta.url));

export const format = 'pprof';

export async function load() {
  const { time, encode } = require('@datadog/pprof');
  return {
    start(intervalMicros) {
      time.start({ intervalMicros, durationMillis: 60_000, withContexts: true, collectCpuTime: true });
    },
    rotate: () => encode(time.stop(true)),
    stop: () => encode(time.stop(false)),
  };
}
