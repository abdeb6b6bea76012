/**
 * Where the chain of this thread is found, with the components that are always in it.
 */
import { clusterComponent } from '../cluster/fork.js';
import { connect as connectFiles, openFiles } from '../open-files.js';
import { ForkChain } from './chain.js';
import { Identity } from '../identity.js';
import { labelScopes } from '../labels/scopes.js';
import type { NativeApi } from '../native-api.js';
import { loadedExporting } from '../on-demand.js';
import { ProfileSequence } from '../profile-sequence.js';
import { Promises } from './promises.js';
import { workers } from '../threads.js';

/** What a thread has one of, however many copies of this package it has loaded. Other versions read it: only add to it. */
export interface ForkAware {
  readonly chain: ForkChain;
  readonly identity: Identity;
  readonly sequence: ProfileSequence;
  readonly promises: Promises;
}

/**
 * The components of this thread; made at the first call.
 *
 * @param native every copy of this package gets the same registry object from it, and joins with its own
 * @throws PronghornError ERR_PRONGHORN_FORKED in a forked process that was reset before this copy was used, if it cannot be reset as well
 */
export function forkAware(native: NativeApi): ForkAware {
  const shared = native.registry() as { forkAware?: ForkAware };
  const aware = (shared.forkAware ??= make(native));
  aware.chain.adopt(native);
  // Each copy of the package has files, uploads and cluster sessions of its own, and hears of workers by itself.
  connectFiles({ hasThreadPool: () => aware.chain.hasThreadPool, watch: () => aware.promises.watch() });
  aware.chain.join(openFiles);
  const exporting = loadedExporting();
  if (exporting !== undefined) aware.chain.join(exporting.uploads);
  aware.chain.join(workers);
  aware.chain.join(labelScopes);
  aware.chain.join(clusterComponent);
  return aware;
}

function make(native: NativeApi): ForkAware {
  const chain = new ForkChain(native);
  const identity = new Identity(native);
  const sequence = new ProfileSequence(identity);
  const promises = new Promises(chain);
  for (const component of [sequence, identity, promises]) chain.join(component);
  return { chain, identity, sequence, promises };
}
