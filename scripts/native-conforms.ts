/**
 * Compiles only if the types that napi generates from the Rust sources (native.d.cts) and the ones written by hand (lib/native-api.ts)
 * say the same, in both directions. `npm run lint` compiles it; nothing runs it.
 */
import type * as generated from '#native';
import type { NativeApi } from '../lib/native-api.js';

type Generated = typeof generated;

/** Each export that lib/ names exists, and takes and returns what lib/ believes. */
export const existing = (native: Generated): NativeApi => native;

/** Each export that exists is named by lib/. The last exclusion is a text that napi's loader adds. */
export const named = (name: Exclude<keyof Generated, 'default' | '__napiBindingTarget'>): keyof NativeApi => name;
