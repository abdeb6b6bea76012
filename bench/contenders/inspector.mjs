// The inspector's profiler, which `--cpu-prof` is made of. It has no rotation: one profile ends and another one begins, with a gap between them.
import { Session } from 'node:inspector';

export const format = 'cpuprofile';

export async function load() {
  const session = new Session();
  session.connect();
  // The session is this thread's own, so the answer is there before post() returns.
  const post = (method, params) => {
    let outcome;
    session.post(method, params, (error, result) => {
      outcome = { error, result };
    });
    if (outcome === undefined) throw new Error(`no answer to ${method}`);
    if (outcome.error) throw new Error(`${method}: ${outcome.error.message}`);
    return outcome.result;
  };
  const taken = () => post('Profiler.stop').profile;
  const bytes = (profile) => Buffer.from(JSON.stringify(profile));
  return {
    start(intervalMicros) {
      post('Profiler.enable');
      post('Profiler.setSamplingInterval', { interval: intervalMicros });
      post('Profiler.start');
    },
    async rotate() {
      const profile = taken();
      post('Profiler.start');
      return bytes(profile);
    },
    async stop() {
      const profile = taken();
      post('Profiler.disable');
      return bytes(profile);
    },
  };
}
