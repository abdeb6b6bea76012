// Which function a profile says the time was spent in: the programs with a known answer of __test__/programs, and one whose answer is measured meanwhile.
import { importContender } from '../contenders/index.mjs';
import { leafShares } from '../runner/leaves.mjs';
import { split } from '../workloads/split.mjs';
import { finish, settings, turn } from './process.mjs';

const { contender, program, ms, intervalMicros } = settings;
const { load, format } = await importContender(contender);

/** @returns { work, begin?(), expected() }: what to call again and again, what to call when the profile begins, and by name the share that a function has, or at least has */
async function prepare() {
  if (program === 'split') return split();
  const { truth } = await import(new URL(`../../__test__/programs/${program}.mjs`, import.meta.url));
  const { name, share } = truth.leaf;
  return { work: truth.entry, expected: () => ({ [name]: { atLeast: share } }) };
}

const { work, begin, expected } = await prepare();
// The optimizing compiler has to have been there.
for (const end = performance.now() + ms / 4; performance.now() < end; ) await work();
const profiler = await load();
begin?.();
profiler.start(intervalMicros);
for (const end = performance.now() + ms; performance.now() < end; ) {
  await work();
  await turn();
}
const bytes = await profiler.stop();
const { shares, samples } = await leafShares(bytes, format, program);
finish({ samples, found: Object.fromEntries(Object.entries(expected()).map(([name, truth]) => [name, { ...truth, share: shares.get(name) ?? 0 }])) });
