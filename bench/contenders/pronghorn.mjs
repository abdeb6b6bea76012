// pronghorn, as an application would use it: by the package's own name.
export const format = 'pprof';

export async function load() {
  const { start } = await import('pronghorn');
  let profiler;
  return {
    // Worker threads are found without a line of theirs.
    coversWorkers: true,
    start(intervalMicros) {
      profiler = start({ intervalMicros });
    },
    rotate: async () => (await profiler.rotate()).data,
    stop: async () => (await profiler.stop()).data,
    stats: () => profiler.stats(),
  };
}
