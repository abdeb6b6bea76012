// How long loading the package keeps a fresh process. The inspector is part of Node, and has nothing to load.
import { metric } from '../runner/metric.mjs';
import { interleave } from './interleave.mjs';

export const names = [];

export const cells = (context) =>
  interleave(context, { rounds: context.rounds(9) }, (_major, contender) => (contender === 'nothing' || contender === 'inspector' ? [] : [{ program: 'load', settings: { contender } }]));

export function report(results) {
  const options = { toNothing: false };
  return {
    metrics: [
      metric({ ...options, name: 'loading the package', unit: 'ms' }, results, ({ loadMs }) => loadMs),
      metric({ ...options, name: 'loading the package, CPU time', unit: 'ms' }, results, ({ loadCpuMs }) => loadCpuMs),
    ],
  };
}
