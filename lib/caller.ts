/**
 * Who called us: the file and line that an error can name.
 */

/**
 * File, line and column of the code that called `entry`.
 *
 * @param entry a function on the stack; it and what it called are left out
 * @returns for example "/app/server.js:12:3", or "unknown code"
 */
export function callerOf(entry: (...args: never[]) => unknown): string {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    if (Object.isFrozen(Error)) return 'unknown code';
    // The program may have its own idea of stack traces; ours is needed for this one line.
    Error.prepareStackTrace = (_error, sites) => sites;
    Error.stackTraceLimit = 1;
    const holder: { stack?: unknown } = {};
    Error.captureStackTrace(holder, entry);
    const site = (holder.stack as NodeJS.CallSite[] | undefined)?.[0];
    const file = site?.getFileName() ?? site?.getEvalOrigin();
    if (site === undefined || file === null || file === undefined) return 'unknown code';
    return `${file}:${site.getLineNumber() ?? 0}:${site.getColumnNumber() ?? 0}`;
  } catch {
    return 'unknown code';
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}
