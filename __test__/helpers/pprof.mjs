// Reads a profile with pprof-format, which is not ours, into plain objects with stacks from the root to the leaf.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';

/**
 * Decodes gzipped pprof bytes, or the file at a path.
 *
 * Output: `sampleTypes` ("cpu/nanoseconds" …), `defaultSampleType`, `periodType`, `period`, `timeNanos`, `durationNanos`
 * (BigInt), `comments`, `mappings`, and `samples`: `{ stack, count, cpu, wall, labels, threadId, threadName }`.
 * A frame is `{ name, file, line, startLine, address, mapping, native, marker }`: `native` frames lie in a mapping, `marker`
 * frames are pronghorn's own, such as "(idle)", and `builtin` frames have no script and no line: functions
 * of V8 such as Array.prototype.map, and of WebAssembly.
 */
export function readProfile(source) {
  const bytes = typeof source === 'string' ? readFileSync(source) : source;
  const profile = Profile.decode(gunzipSync(bytes));
  const text = (index) => profile.stringTable.strings[Number(index)];
  const valueType = (type) => `${text(type.type)}/${text(type.unit)}`;
  const functions = new Map(profile.function.map((entry) => [Number(entry.id), entry]));
  const locations = new Map(profile.location.map((entry) => [Number(entry.id), entry]));
  const mappings = new Map(
    profile.mapping.map((entry) => [
      Number(entry.id),
      { file: text(entry.filename), buildId: text(entry.buildId), start: BigInt(entry.memoryStart), limit: BigInt(entry.memoryLimit) },
    ]),
  );

  const framesOf = (location) => {
    const mapping = mappings.get(Number(location.mappingId));
    const address = BigInt(location.address);
    const native = mapping !== undefined || address !== 0n;
    if (location.line.length === 0) return [frame('', '', 0, 0, address, mapping, native)];
    // Within a location the first line is the innermost function: turn it to root first.
    return location.line
      .map((line) => {
        const fn = functions.get(Number(line.functionId));
        return frame(text(fn.name), text(fn.filename), Number(line.line), Number(fn.startLine), address, mapping, native);
      })
      .reverse();
  };
  const frame = (name, file, line, startLine, address, mapping, native) => ({
    name,
    file: file.startsWith('file://') ? decodeURI(new URL(file).pathname) : file,
    line,
    startLine,
    address,
    mapping,
    native,
    marker: !native && markers.has(name),
    builtin: !native && (file === BUILTIN_FILE || file.startsWith('wasm://')),
  });

  const samples = profile.sample.map((sample) => {
    const labels = {};
    for (const label of sample.label) labels[text(label.key)] = text(label.str) || BigInt(label.num);
    const [count, cpu, wall] = sample.value.map(Number);
    const stack = sample.locationId
      .map((id) => framesOf(locations.get(Number(id))))
      .reverse()
      .flat();
    const threadId = labels['thread id'] === undefined ? undefined : Number(labels['thread id']);
    return { stack, count, cpu, wall, labels, threadId, threadName: labels['thread name'] };
  });

  return {
    sampleTypes: profile.sampleType.map(valueType),
    defaultSampleType: text(profile.defaultSampleType),
    periodType: valueType(profile.periodType),
    period: Number(profile.period),
    timeNanos: BigInt(profile.timeNanos),
    durationNanos: BigInt(profile.durationNanos),
    comments: profile.comment.map(text),
    mappings: [...mappings.values()],
    samples,
    raw: profile,
  };
}

/** What stands in the place of a script for V8's own functions, and for those that wrap native ones. */
const BUILTIN_FILE = '(builtin)';

const markers = new Set([
  '(idle)',
  '(garbage collector)',
  '(truncated)',
  '(broken)',
  '(walk refused)',
  '(wasm)',
  '(regexp)',
  '(native code)',
]);

/** The sum of one value ("count", "cpu" or "wall") over samples. */
export function total(samples, value) {
  let sum = 0;
  for (const sample of samples) sum += sample[value];
  return sum;
}

/** The share of one value that the samples matching `predicate` hold; 0 for an empty profile. */
export function share(samples, value, predicate) {
  const all = total(samples, value);
  return all === 0 ? 0 : total(samples.filter(predicate), value) / all;
}

/** The JavaScript frames of a stack that have a script, from the root to the leaf. */
export const scriptFrames = (stack) => stack.filter((frame) => !frame.native && !frame.marker && !frame.builtin);

/** True when some frame has this name. */
export const has = (name) => (sample) => sample.stack.some((frame) => frame.name === name);

/** A stack in one line, for messages. */
export function show(stack) {
  const names = stack.map((frame) => `${frame.name || '?'}${frame.native || frame.marker ? '' : `@${frame.line}`}`);
  if (names.length > 40) names.splice(20, names.length - 40, `… ${names.length - 40} more …`);
  return names.join(' > ');
}

/** The heaviest stacks of a profile as text, for messages. */
export function describe(samples, value = 'count', limit = 12) {
  const merged = new Map();
  for (const sample of samples) {
    const key = show(sample.stack);
    merged.set(key, (merged.get(key) ?? 0) + sample[value]);
  }
  const rows = [...merged].sort((a, b) => b[1] - a[1]).slice(0, limit);
  return rows.map(([stack, weight]) => `  ${weight}  ${stack}`).join('\n');
}
