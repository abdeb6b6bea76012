/** Computes for so much CPU time, however busy the machine is. */
export function burn(ms) {
  const before = process.cpuUsage();
  let sum = 0;
  while (process.cpuUsage(before).user < ms * 1_000) for (let index = 0; index < 50_000; index++) sum += Math.sqrt(index);
  return sum;
}
