// Cluster applications whose workers hang, are killed, lose their pipe, or cannot be profiled. `settings.case` says which; workers run this file too.
import { closeSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { url as inspectorUrl } from 'node:inspector';
import { burnFor, code, ended, endAll, forkOnline, hang, HANGING, humming, online, runCase, shown, timed, until, workerHums } from '../helpers/clusters.mjs';
import { rest, settings, startOptions } from '../helpers/scenario.mjs';

const primaries = {
  /** A worker that does not answer costs a bounded wait; what it delivers later comes with the next result. */
  async hang(pronghorn) {
    const [hanging, other] = await forkOnline(2);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 400 }));
    await humming(1, 2);
    hanging.send('hang');
    await until(() => existsSync(HANGING));
    await humming(2);
    const first = await shown(await session.rotate());
    const stillHanging = existsSync(HANGING);
    rmSync(HANGING);
    await humming(1, 2);
    const second = await shown(await session.rotate());
    hanging.send('hang');
    await until(() => existsSync(HANGING));
    const last = await shown(await session.stop());
    // A new session finds it hanging, and is not stopped by it either.
    const next = pronghorn.startCluster(startOptions({ workerTimeoutMs: 400 }));
    await humming(2);
    const after = await shown(await next.stop());
    const ids = [hanging.id, other.id];
    await endAll();
    return { ids, first, stillHanging, second, last, after };
  },

  /** A worker that is killed while an answer of it is waited for; one that is stopped and goes on later. */
  async killedPending(pronghorn) {
    const [hanging, stopped] = await forkOnline(2);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 20_000 }));
    await humming(1, 2);
    hanging.send('hang');
    await until(() => existsSync(HANGING));
    const rotation = timed(session.rotate());
    await rest(100);
    hanging.process.kill('SIGKILL');
    const [first, firstMs] = await rotation;
    await session.stop();
    const next = pronghorn.startCluster(startOptions({ workerTimeoutMs: 400 }));
    await humming(2);
    stopped.process.kill('SIGSTOP');
    const [second, secondMs] = await timed(next.rotate());
    stopped.process.kill('SIGCONT');
    await humming(2);
    const third = await shown(await next.stop());
    await endAll();
    return { first: await shown(first), firstMs, second: await shown(second), secondMs, third };
  },

  /**
   * A worker rotates, and its main thread is busy from then on, so that the profile is never handed over; then SIGTERM ends it. It hangs, so that the
   * primary's command is there when it looks again, and hangs once more after the turn of the event loop in which it has read it.
   */
  async cutOff(pronghorn) {
    const [worker] = await forkOnline(1);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 20_000 }));
    await humming(1);
    worker.send('hang twice');
    await until(() => existsSync(HANGING));
    const rotation = session.rotate();
    rmSync(HANGING);
    await until(() => existsSync(HANGING));
    // Another thread serializes in the meantime.
    await rest(500);
    worker.process.kill('SIGTERM');
    const result = await shown(await rotation);
    await session.stop();
    return { result };
  },

  /** Workers that live and have no pipe any more: one has closed its descriptors, one has become another program. */
  async withoutPipe(pronghorn) {
    const [closing, becoming, trying] = await forkOnline(3);
    const session = pronghorn.startCluster(startOptions({ workerTimeoutMs: 20_000 }));
    await humming(1, 2, 3);
    closing.send('close');
    await until(() => existsSync(`${settings.out}/closed`));
    if (process.execve) {
      becoming.send('become');
      trying.send('try to become');
      await online([trying]);
      await until(() => readFileSync(`/proc/${becoming.process.pid}/comm`, 'utf8') === 'sleep\n');
      trying.process.kill('SIGKILL');
      await ended(trying);
    }
    const [first, firstMs] = await timed(session.rotate());
    const [second, secondMs] = await timed(session.stop());
    await endAll();
    return { first: await shown(first), firstMs, second: await shown(second), secondMs };
  },

  /** Every profiler switches itself off. */
  async failing(pronghorn) {
    await forkOnline(2);
    const session = pronghorn.startCluster(startOptions());
    burnFor(100);
    let rotation;
    const end = performance.now() + 10_000;
    do {
      await humming(1, 2);
      rotation = await session.rotate();
    } while (rotation.processes.some((part) => part.error === undefined) && performance.now() < end);
    rotation = await shown(rotation);
    const result = await shown(await session.stop());
    await endAll();
    return { rotation, result };
  },

  /** Workers forked before the import, ones whose profiler refuses, ones that stop it themselves. */
  async reasons(pronghorn, _keptFork, early) {
    const [busy, stopping] = await forkOnline(2);
    busy.send({ start: true });
    await online([busy]);
    const session = pronghorn.startCluster(startOptions());
    const started = (call) => {
      try {
        call();
        return 'started';
      } catch (error) {
        return [error.code, error.message];
      }
    };
    const second = started(() => pronghorn.startCluster());
    const plain = started(() => pronghorn.start(startOptions()));
    await humming(stopping.id);
    stopping.send({ stop: true });
    await online([stopping]);
    const nested = await new Promise((resolve) => {
      stopping.once('message', resolve);
      stopping.send({ startCluster: true });
    });
    const [rotation, overlapping] = await Promise.all([session.rotate().then(shown), session.rotate().catch(code)]);
    const result = await shown(await session.stop());
    const inspectors = [];
    for (const worker of [early, stopping]) {
      worker.send({ inspector: true });
      const [{ inspector }] = await online([worker]);
      inspectors.push(inspector);
    }
    const ids = { early: early.id, busy: busy.id, stopping: stopping.id };
    await endAll();
    return { ids, inspectors, second, plain, nested: nested.answer, overlapping, rotation, result };
  },
};

// ---- what workers do

const workers = {
  hang() {
    process.on('message', hang);
    process.send('online');
    setInterval(workerHums, 30);
  },
  killedPending: () => workers.hang(),
  cutOff() {
    process.on('message', () => {
      hang();
      setImmediate(() => setImmediate(hang));
    });
    process.send('online');
    setInterval(workerHums, 30);
  },
  withoutPipe() {
    process.on('message', (what) => {
      if (what === 'close') {
        // After standard input, output and error, and the IPC channel.
        closeSync(4);
        writeFileSync(`${settings.out}/closed`, '');
      } else if (what === 'become') {
        process.execve('/bin/sleep', ['sleep', '60'], process.env);
      } else {
        try {
          process.execve('/bin/sleep', ['sleep', 60], process.env);
        } catch {
          // An argument that is no string.
        }
        // The profiler tells the primary so once this function has returned.
        setImmediate(() => process.send('goes on'));
      }
    });
    process.send('online');
    setInterval(workerHums, 30);
  },
  failing: () => workers.hang(),
  async reasons() {
    const hold = setInterval(workerHums, 30);
    process.on('message', async ({ start, stop, startCluster, inspector }) => {
      // A worker that was forked too early never loads the package.
      if (inspector) {
        process.send({ inspector: String(inspectorUrl()) });
        return;
      }
      const pronghorn = await import('pronghorn');
      if (start) pronghorn.start(startOptions());
      if (stop) await pronghorn.stop();
      let answer;
      if (startCluster) {
        try {
          pronghorn.startCluster();
        } catch (error) {
          answer = error.code;
        }
      }
      process.send({ answer });
    });
    process.send('online');
    process.on('disconnect', () => clearInterval(hold));
  },
};

await runCase(primaries, workers, { early: settings.case === 'reasons' });
