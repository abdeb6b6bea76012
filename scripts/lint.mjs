// `npm run lint`: every check, each to its end, so that one run shows all there is to mend.
import { checks } from './checks.mjs';
import { run } from './steps.mjs';

let failed = 0;
for (const { name, command, args, minutes } of checks) {
  try {
    await run(command, args, { minutes, quiet: true });
    console.log(`ok      ${name}`);
  } catch {
    failed += 1;
    console.log(`FAILED  ${name}`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
