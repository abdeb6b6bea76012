/**
 * Who called us: the file and line that an error can name.
 */

/** Names who has started something. Most are never asked, and to find file and line takes a tenth of a millisecond. */
export type StartedBy = string | (() => string);

/** The name. */
export const nameOfStarter = (startedBy: StartedBy): string => (typeof startedBy === 'string' ? startedBy : startedBy());

/**
 * File, line and column of the code that called `entry`.
 *
 * @param entry a function on the stack; it and what it called are left out
 * @returns says it when it is asked: for example "/app/server.js:12:3", or "unknown code"
 */
export function callerOf(entry: (...args: never[]) => unknown): () => string {
  const holder: { stack?: unknown } = {};
  const { stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 1;
    // Only notes the frame; `stack` is made of it when it is first read.
    Error.captureStackTrace(holder, entry);
    Error.stackTraceLimit = stackTraceLimit;
  } catch {
    return () => 'unknown code';
  }
  let said: string | undefined;
  return () => (said ??= placeIn(holder));
}

function placeIn(holder: { stack?: unknown }): string {
  const { prepareStackTrace } = Error;
  try {
    // The program may have its own idea of stack traces; ours is needed for this one line.
    Error.prepareStackTrace = (_error, sites) => sites;
    const site = (holder.stack as NodeJS.CallSite[] | undefined)?.[0];
    const file = site?.getFileName() ?? site?.getEvalOrigin();
    if (site === undefined || file === null || file === undefined) return 'unknown code';
    return `${file}:${site.getLineNumber() ?? 0}:${site.getColumnNumber() ?? 0}`;
  } catch {
    return 'unknown code';
  } finally {
    if (!Object.isFrozen(Error)) Error.prepareStackTrace = prepareStackTrace;
  }
}
