// The rule of good and bad samples. A sample taken while a program works is good when its stack reaches the program's
// known outermost frames, every JavaScript frame has function, script and line, the chain of functions has no gap, and
// every line is one where the program's markers put it. All else is bad; so are dropped samples, faults and refused walks.
import { fileURLToPath } from 'node:url';
import { scriptFrames, show, total } from './pprof.mjs';
import { readMarkers } from './program.mjs';

const harnessFile = fileURLToPath(new URL('./program.mjs', import.meta.url));
const harness = readMarkers(harnessFile);

/**
 * Judges every sample of one run of a program.
 *
 * Output: `inside` (samples taken while the program worked), `outside`, `bad` as `[{ why, sample }]`, and the shares:
 * `profileShare` from the profile and `statsShare` from the profiler's own statistics.
 */
export function judge(truth, profile, stats, { threadId } = {}) {
  const bad = [];
  const inside = [];
  const outside = [];
  for (const sample of profile.samples) {
    if (threadId !== undefined && sample.threadId !== threadId) continue;
    const works = isInside(truth, sample);
    (works ? inside : outside).push(sample);
    const why = works ? whyBad(truth, sample) : whyBadOutside(sample);
    if (why !== undefined) bad.push({ why, sample });
  }
  const badCount = total(
    bad.map((entry) => entry.sample),
    'count',
  );
  const taken = total(profile.samples, 'count');
  const lost = stats.droppedSamples + stats.droppedByRecorder;
  return {
    inside,
    outside,
    bad,
    taken,
    profileShare: (badCount + lost) / Math.max(1, taken + lost),
    statsShare: (stats.brokenWalks + stats.refusedWalks + stats.faults + lost) / Math.max(1, stats.samples + lost),
  };
}

function isInside(truth, sample) {
  return sample.stack.some(
    (frame) => frame.file === truth.file || (frame.file === harnessFile && (frame.name === 'drive' || frame.name === 'driveAsync')),
  );
}

function whyBadOutside(sample) {
  return brokenMarker(sample) ?? sample.stack.map(incomplete).find((why) => why !== undefined);
}

function brokenMarker({ stack }) {
  if (stack.length === 0) return 'an empty stack';
  return stack.some((frame) => frame.name === '(broken)' || frame.name === '(walk refused)') ? 'a broken or refused walk' : undefined;
}

/** Why a JavaScript frame lacks something. Builtins have a name but neither script nor line. */
function incomplete(frame) {
  if (frame.native) return undefined;
  if (frame.name === '') return 'a frame without a name';
  if (frame.marker || frame.builtin) return undefined;
  if (frame.file === '') return `no script: ${frame.name}`;
  if (!(frame.line > 0)) return `no line: ${frame.name} (${frame.file})`;
  if (!(frame.startLine > 0)) return `no start line: ${frame.name} (${frame.file})`;
  return frame.line < frame.startLine ? `line before the function: ${frame.name}` : undefined;
}

/** Why a sample taken while the program worked is bad; undefined when it is good. */
export function whyBad(truth, sample) {
  const general = whyBadOutside(sample);
  if (general !== undefined) return general;
  const frames = scriptFrames(sample.stack);
  const truncated = sample.stack[0].name === '(truncated)';
  if (!truncated) {
    const problem = rootProblem(truth, frames);
    if (problem !== undefined) return problem;
  }
  for (const [index, frame] of frames.entries()) {
    const problem = frameProblem(truth, frame, frames[index + 1]) ?? edgeProblem(truth, frame, frames[index + 1]);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function rootProblem(truth, frames) {
  const names = frames.map((frame) => frame.name);
  if (truth.isAsync) {
    const first = frames.findIndex((frame) => !frame.file.startsWith('node:'));
    // The first call comes from the program's main function; after an await there is nobody below.
    const known =
      truth.asyncRoots.includes(names[first]) ||
      names[first] === 'driveAsync' ||
      (names[first] === 'main' && frames[first].file === harnessFile);
    return known ? undefined : `the stack starts with ${names.slice(0, 3).join(' > ')}`;
  }
  const rooted = names[0] === 'processImmediate' && names[1] === 'enter' && (names[2] === 'drive' || frames.length === 2);
  return rooted ? undefined : `the stack starts with ${names.slice(0, 3).join(' > ')}`;
}

const markersOf = (truth, file) => (file === truth.file ? truth.markers : file === harnessFile ? harness : undefined);

function frameProblem(truth, frame) {
  const known = markersOf(truth, frame.file);
  if (known === undefined) return undefined;
  const candidates = known.functions.filter((fn) => fn.name === frame.name);
  if (candidates.length === 0) return `unknown function ${frame.name}`;
  const fn = candidates.find((entry) => entry.start === frame.startLine);
  if (fn === undefined) return `${frame.name} starts on line ${candidates.map((entry) => entry.start)}, not ${frame.startLine}`;
  return frame.line <= fn.end ? undefined : `line ${frame.line} is not in ${frame.name} (${fn.start}-${fn.end})`;
}

function edgeProblem(truth, caller, callee) {
  if (callee === undefined) return undefined;
  const from = markersOf(truth, caller.file);
  const to = markersOf(truth, callee.file);
  if (from === undefined && to === undefined) return undefined;
  const sameFile = caller.file === callee.file;
  if (from !== undefined) {
    const calls = from.calls;
    const lines = sameFile
      ? calls.get(`${caller.name}>${callee.name}`)
      : (calls.get(`${caller.name}>${callee.name}`) ?? calls.get(`${caller.name}>*`));
    if (lines === undefined) {
      return from === harness && ['enter', 'main'].includes(caller.name)
        ? undefined
        : `a frame is missing between ${caller.name} and ${callee.name}`;
    }
    if (!lines.includes(caller.line)) return `${caller.name} calls ${callee.name} on line ${lines}, not ${caller.line}`;
  }
  if (to !== undefined && !sameFile && to !== harness && !to.calls.has(`*>${callee.name}`)) {
    return `a frame is missing between ${caller.name} and ${callee.name}`;
  }
  return undefined;
}

/** The worst reasons with an example each, for messages. */
export function explain(bad, limit = 6) {
  const reasons = new Map();
  for (const { why, sample } of bad) {
    const entry = reasons.get(why) ?? { count: 0, example: show(sample.stack) };
    entry.count += sample.count;
    reasons.set(why, entry);
  }
  return [...reasons]
    .sort((a, b) => b[1].count - a[1].count)
    .slice(0, limit)
    .map(([why, { count, example }]) => `  ${count} × ${why}\n      ${example}`)
    .join('\n');
}
