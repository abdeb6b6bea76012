// Who is measured, in the order of the tables. A contender is one small file that exports the same few things; it is only imported in the process that
// it is to run in, so that the others' processes know nothing of it.
//
//   format       how its profiles are read: runner/leaves.mjs
//   ownInterval  true if it samples at a rate of its own, whatever it is asked for
//   load()       loads its package, and returns { start(intervalMicros), rotate(), stop(), stats?(), coversWorkers? }.
//                rotate() and stop() resolve with the bytes of the profile as it would be sent or written, gzipped where the contender does that itself

/** @type {{ name: string, title: string, packageName?: string }[]} */
export const contenders = [
  { name: 'nothing', title: 'nothing' },
  { name: 'pronghorn', title: 'pronghorn' },
  { name: 'datadog', title: '@datadog/pprof', packageName: '@datadog/pprof' },
  { name: 'inspector', title: 'inspector' },
  { name: 'sentry', title: 'Sentry', packageName: '@sentry/node-cpu-profiler' },
];

/** Those that pronghorn is compared with. */
export const isPeer = (name) => name !== 'nothing' && name !== 'pronghorn';

export const titleOf = (name) => contenders.find((contender) => contender.name === name)?.title ?? name;

/** In the process that is measured: the contender's module. */
export const importContender = (name) => import(new URL(`${name}.mjs`, import.meta.url));
