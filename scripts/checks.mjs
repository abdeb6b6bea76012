// The checks of `npm run lint`, which `npm test` runs too. They need a built native half, for its generated types.
const clippy = ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings'];
const tsc = 'node_modules/typescript/bin/tsc';

/** @type {{ name: string, command: string, args: string[], minutes?: number }[]} */
export const checks = [
  { name: 'rustfmt', command: 'cargo', args: ['fmt', '--all', '--check'] },
  { name: 'rustfmt of the fuzzers', command: 'cargo', args: ['fmt', '--manifest-path', 'fuzz/Cargo.toml', '--', '--check'] },
  { name: 'clippy', command: 'cargo', args: clippy, minutes: 6 },
  { name: 'oxlint', command: process.execPath, args: ['node_modules/oxlint/bin/oxlint'] },
  { name: 'tsc', command: process.execPath, args: [tsc, '-p', 'tsconfig.json', '--noEmit'] },
  { name: 'tsc of the page', command: process.execPath, args: [tsc, '-p', 'page/tsconfig.json'] },
  { name: 'types of the native half', command: process.execPath, args: [tsc, '-p', 'scripts/native-conforms.json'] },
  { name: 'licences', command: process.execPath, args: ['scripts/licences.mjs'] },
];

/** What only `npm run test:long` runs. Each ends with "N passed, N failed". */
export const longChecks = [
  { name: 'fuzzers', command: process.execPath, args: ['scripts/fuzz.mjs', '--minutes', '1'], minutes: 40 },
  { name: 'AddressSanitizer', command: process.execPath, args: ['scripts/asan.mjs'], minutes: 60 },
  { name: 'tally', command: process.execPath, args: ['scripts/tally.mjs', '--minutes', '60'], minutes: 80 },
  { name: 'valgrind', command: process.execPath, args: ['scripts/valgrind.mjs'], minutes: 60 },
];
