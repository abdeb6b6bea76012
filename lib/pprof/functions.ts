/**
 * The functions that stand at a location of a profile, and what stands for them where a location has only an address.
 */
import { basename } from 'node:path';
import type { FunctionInfo, Location, Pprof } from './reader.js';

/** @returns leaf first, never empty */
export function functionsOf(profile: Pprof, location: Location): FunctionInfo[] {
  const named = location.lines.map((line) => profile.functions.get(line.functionId)).filter((info) => info !== undefined);
  if (named.length > 0) return named;
  const file = profile.mappings.get(location.mappingId) ?? '';
  const where = file === '' ? '' : `${basename(file)}+`;
  return [{ name: `(${where}0x${location.address.toString(16)})`, file, startLine: 0 }];
}
