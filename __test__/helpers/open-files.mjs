// What a process has open, by name.
import { readdirSync, readlinkSync } from 'node:fs';

/** Number and name of each file that is open here. */
export function openFiles() {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [{ number: Number(number), file: readlinkSync(`/proc/self/fd/${number}`) }];
    } catch {
      // The folder itself, which is closed by now.
      return [];
    }
  });
}

/** Of process `pid`'s, the files in which the kernel tells of its threads. */
export const taskFiles = (pid) => openFiles().filter(({ file }) => file.startsWith(`/proc/${pid}/task`));

/** Their names without numbers, each once: the folder is open twice while threads are listed. */
export const kindsOf = (files) => [...new Set(files.map(({ file }) => file.replace(/\d+/g, 'N')))].sort();

/** What the ticker has open to judge the threads of a restless program by. */
export const TICKERS = ['/proc/N/task', '/proc/N/task/N/schedstat'];
