// A compiler at work: TypeScript 5.9, a program of 9 MB, reads all of `effect` and checks some of its files. The same code base as the demo's.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const ts = createRequire(import.meta.url)('typescript59');
const config = fileURLToPath(new URL('../../examples/typescript-compiler/tsconfig.json', import.meta.url));
/** So many files are checked in a few seconds; all of them would take ten. */
const FILES = 30;
const FILES_QUICK = 1;
/**
 * So often all of it is done anew, some ten seconds. Once would be a program that only begins: nearly everything that a profiler sees there is new to it,
 * and it pays for its start and for one profile within seconds. Whoever is profiled all the time runs for longer.
 */
const ROUNDS = 4;
const ROUNDS_QUICK = 1;

export async function prepare({ quick }) {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (diagnostic) => { throw new Error(String(diagnostic.messageText)); } };
  const { options } = ts.getParsedCommandLineOfConfigFile(config, {}, host);
  // Quickly: one file that needs few others.
  const folder = fileURLToPath(new URL('../../node_modules/effect/src/', import.meta.url));
  const roots = [quick ? `${folder}Utils.ts` : `${folder}index.ts`];
  return {
    async run() {
      let checked = 0;
      for (let round = 0; round < (quick ? ROUNDS_QUICK : ROUNDS); round++) {
        const program = ts.createProgram(roots, options);
        const files = program.getSourceFiles().filter((file) => !file.isDeclarationFile).slice(0, quick ? FILES_QUICK : FILES);
        const problems = files.flatMap((file) => program.getSemanticDiagnostics(file));
        if (problems.length > 0) throw new Error(`the code base has ${problems.length} errors`);
        checked += files.length;
      }
      return checked;
    },
  };
}
