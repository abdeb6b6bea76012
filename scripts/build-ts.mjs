// Compiles the TypeScript into a fresh dist/, so that no file of a module that is gone stays behind, and makes the command executable.
import { chmodSync, rmSync } from 'node:fs';
import { root, run } from './steps.mjs';

rmSync(new URL('dist/', root), { recursive: true, force: true });
await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
chmodSync(new URL('dist/cli.js', root), 0o755);
