// Reads which function each sample of a profile was in, for the three formats that contenders write.
import { readProfile, scriptFrames } from '../../__test__/helpers/pprof.mjs';
import { owners } from '../workloads/split.mjs';

const inScript = (url) => url !== '' && !url.startsWith('node:');

/** Stacks of JavaScript functions of scripts, innermost last, each with its weight. */
const readers = {
  pprof(bytes) {
    return readProfile(bytes).samples.map(({ stack, count }) => ({
      // Other profilers than ours give no native frames and mark none, but name V8's own functions with a file of Node's or none.
      names: scriptFrames(stack).filter(({ file }) => inScript(file)).map(({ name }) => name),
      weight: count,
    }));
  },

  cpuprofile(bytes) {
    const { nodes, samples } = JSON.parse(bytes);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
    const namesOf = (id) => {
      const names = [];
      for (let at = id; at !== undefined; at = parents.get(at)) {
        const { functionName, url } = byId.get(at).callFrame;
        if (inScript(url)) names.unshift(functionName);
      }
      return names;
    };
    return samples.map((id) => ({ names: namesOf(id), weight: 1 }));
  },

  sentry(bytes) {
    const { stacks, frames, samples } = JSON.parse(bytes);
    return samples.map(({ stack_id: stack }) => ({
      names: stacks[stack].map((index) => frames[index]).filter(({ abs_path: path }) => inScript(path ?? '')).map((frame) => frame.function).reverse(),
      weight: 1,
    }));
  },
};

/**
 * The share of each function in the samples of the program's own functions.
 *
 * @param program `split`: a function's helpers count as the function itself; otherwise the innermost function counts
 */
export async function leafShares(bytes, format, program) {
  if (bytes === undefined) return { shares: new Map(), samples: 0 };
  const shares = new Map();
  let all = 0;
  for (const { names, weight } of readers[format](bytes)) {
    if (names.length === 0) continue;
    const leaf = (program === 'split' && names.findLast((name) => owners.includes(name))) || names.at(-1);
    all += weight;
    shares.set(leaf, (shares.get(leaf) ?? 0) + weight);
  }
  for (const [name, weight] of shares) shares.set(name, weight / all);
  return { shares, samples: all };
}
