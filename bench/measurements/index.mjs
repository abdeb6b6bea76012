// What is measured, in the order of the run and of the table. Each is a file that exports
//
//   names            what `--only` may call it, besides its own name: the workloads that it runs
//   cells(context)   the processes to run, in interleaved order: { major, contender, round, program, settings, flags?, deadlineMs? }
//   run?(context)    instead of these, where a measurement has to look at several processes at once
//   report(results, context)  { metrics, notes?, goals? }: rows of the table, remarks, and whether the goals are met
//
// A context is { majors, contendersOn(major), quick, rounds(own), wants(workload) }.
import * as accuracy from './accuracy.mjs';
import * as growth from './growth.mjs';
import * as idle from './idle.mjs';
import * as load from './load.mjs';
import * as memory from './memory.mjs';
import * as rotations from './rotations.mjs';
import * as size from './size.mjs';
import * as slices from './slices.mjs';
import * as start from './start.mjs';
import * as work from './work.mjs';

export const measurements = { size, load, start, rotations, slices, memory, idle, accuracy, work, growth };
