/**
 * The door to what a profiler with exporters needs, and none without: loaded by the first start() that has some (lib/on-demand.ts).
 */
export { Continuous } from '../continuous.js';
export { resolveContinuous } from './resolve.js';
export { uploads } from './upload.js';
