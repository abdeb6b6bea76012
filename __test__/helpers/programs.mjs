// All programs with a known answer, by name.
import { readdirSync } from 'node:fs';

const folder = new URL('../programs/', import.meta.url);

export const programs = new Map();
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.mjs'))
  .sort()) {
  const { truth } = await import(new URL(file, folder));
  if (truth !== undefined) programs.set(truth.name, truth);
}
