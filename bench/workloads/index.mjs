// The programs that contenders are compared on, in the order of the tables. Each is a file that exports
//
//   prepare(settings)  makes it ready, before a profiler starts, and returns { run(), latencies?(rotate), close?() }:
//                      run() does a fixed amount of work and resolves with the number of operations;
//                      latencies() makes requests at a fixed rate meanwhile calling rotate() each second, and resolves with milliseconds; it runs after the profile of run() is taken
//
// `needs` names a package of bench/peers, without which it cannot run; `rounds` how often each contender runs it.

/** @type {{ name: string, title: string, unit: string, rounds: number, needs?: string }[]} */
export const workloads = [
  { name: 'compiler', title: 'TypeScript 5.9 checks `effect`', unit: 'files', rounds: 6 },
  { name: 'server', title: 'Fastify under autocannon', unit: 'requests', rounds: 6, needs: 'fastify' },
  { name: 'parse-print', title: 'Babel parses and prints `tsc.js`', unit: 'files', rounds: 2, needs: '@babel/parser' },
  { name: 'allocation', title: 'allocation', unit: 'rounds', rounds: 2 },
  { name: 'workers', title: '8 busy workers', unit: 'workers', rounds: 2 },
];

export const importWorkload = (name) => import(new URL(`${name}.mjs`, import.meta.url));
