// The native half of Sentry's @sentry/profiling-node, which has no other use of it: it starts and stops profiles by name. It samples at 99 Hz, always.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../peers/package.json', import.meta.url));
/** The SDK's format for a profile of one transaction; the other one only differs in its timestamps. */
const THREAD = 0;

export const format = 'sentry';
export const ownInterval = true;

export async function load() {
  const { CpuProfilerBindings: profiler } = require('@sentry/node-cpu-profiler');
  let count = 0;
  const begin = () => profiler.startProfiling(`profile ${(count += 1)}`);
  const taken = () => {
    const profile = profiler.stopProfiling(`profile ${count}`, THREAD);
    if (profile === null) throw new Error('Sentry has no profile');
    return profile;
  };
  const bytes = (profile) => Buffer.from(JSON.stringify(profile));
  return {
    start: () => begin(),
    async rotate() {
      const profile = taken();
      begin();
      return bytes(profile);
    },
    stop: async () => bytes(taken()),
  };
}
