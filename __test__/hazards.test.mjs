// Hazards of living inside someone else's process: signals and faults, ours and others'.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { sleep } from './helpers/child.mjs';
import { long, majors } from './helpers/nodes.mjs';
import { kindsOf, TICKERS } from './helpers/open-files.mjs';
import { describe as describeStacks, has, readProfile, share, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';
import { launchScenario, runScenario } from './helpers/scenarios.mjs';

const fast = { options: { intervalMicros: 1000 } };
const hazard = (name, major, settings = {}, options = {}) => runScenario('hazards', major, { hazard: name, ...fast, ...settings }, options);
const isOurs = (disposition) => /pronghorn[^/]*\.node$/.test(disposition);

for (const major of majors) {
  describe(`hazards on Node ${major}`, { concurrency: 2 }, () => {
    it(`takes a real-time signal nobody uses, and leaves an empty handler (Node ${major})`, async () => {
      const run = await hazard('signal', major);
      assert.ok(run.signal >= 34 && run.signal <= 64);
      assert.ok(run.samples > 10);
      for (const [signal, before] of Object.entries(run.before)) {
        if (!/^\d+$/.test(signal)) assert.equal(run.after[signal], before, `${signal} is as it was before`);
        else if (Number(signal) === run.signal) {
          assert.equal(before, 'default');
          assert.ok(isOurs(run.during[signal]), run.during[signal]);
          assert.ok(isOurs(run.after[signal]), `an empty handler stays: ${run.after[signal]}`);
        } else {
          assert.equal(run.during[signal], before);
          assert.equal(run.after[signal], before);
        }
      }
      assert.equal(run.during.prof, 'default', 'SIGPROF stays free');
    });

    it(`keeps away from real-time signals that others use (Node ${major})`, async () => {
      const taken = Array.from({ length: 31 }, (_, index) => 34 + index).filter((signal) => signal !== 47);
      const run = await hazard('signal', major, { taken });
      assert.equal(run.signal, 47);
      assert.equal(run.ownHandlerCalls, 0);
      assert.ok(run.samples > 10);
    });

    it(`says so when every real-time signal is taken (Node ${major})`, async () => {
      const child = await launchScenario('hazards', major, {
        hazard: 'signal',
        taken: Array.from({ length: 31 }, (_, index) => 34 + index),
        ...fast,
      });
      const result = await child.done;
      assert.equal(result.code, 1);
      assert.match(result.stderr, /ERR_PRONGHORN_/);
      assert.match(result.stderr, /signal/);
    });

    it(`100 stop/start cycles keep one signal (Node ${major})`, async () => {
      const run = await hazard('cycles', major, { cycles: 100 });
      assert.equal(run.numbers.length, 1);
      assert.equal(run.carried, 1);
      assert.ok(run.samples > 20);
    });

    it(`works beside --cpu-prof and the inspector's profiler (Node ${major})`, async () => {
      const run = await hazard('besideOthers', major, {}, { flags: ['--cpu-prof', `--cpu-prof-dir=${scratch()}`] });
      assert.ok(run.theirs > 100 && run.hit, `${run.theirs} samples of theirs`);
      const { samples } = readProfile(run.profile.file);
      assert.ok(share(samples, 'cpu', has('chunk')) > 0.9, describeStacks(samples));
    });

    it(`forged signals do no harm and are counted (Node ${major})`, async () => {
      const child = await launchScenario('hazards', major, { hazard: 'forged', count: long ? 50_000 : 3000, fromOutside: 50, ...fast });
      const signal = Number(/SIGNAL (\d+) /.exec(await child.waitFor('SIGNAL '))[1]);
      for (let index = 0; index < 50; index++) process.kill(child.pid, signal);
      const run = await child.report();
      assert.ok(run.sent >= 2900, `${run.sent} sent`);
      assert.equal(run.forged, run.sent + 50);
      const { samples } = readProfile(run.profile.file);
      assert.equal(total(samples, 'count'), run.profile.stats.recorded);
      // While V8 deoptimizes, the frame it replaces is nowhere on the stack: README, Limits.
      const broken = samples.filter((sample) => has('(broken)')(sample) && !sample.stack.some(({ name }) => name.startsWith('v8::internal::Deoptimizer::')));
      assert.equal(total(broken, 'count'), 0, describeStacks(broken));
    });

    it(`a signal that somebody swallows is found missing, and sampling goes on (Node ${major})`, async () => {
      const run = await hazard('swallowed', major, fast);
      assert.ok(run.meanwhile.lostSignals >= 1, `${run.meanwhile.lostSignals} found missing in 400 ms`);
      // One at a time, however long it goes on.
      assert.ok(run.meanwhile.signalsSent - run.meanwhile.samples <= 10, `${run.meanwhile.signalsSent} sent, ${run.meanwhile.samples} samples`);
      assert.ok(run.after.samples - run.meanwhile.samples > 50, `${run.after.samples - run.meanwhile.samples} samples afterwards`);
    });

    it(`closes no file of a program that has closed ours and uses their numbers, and opens its own anew (Node ${major})`, async () => {
      const run = await hazard('closed', major, { options: {} });
      assert.deepEqual(kindsOf(run.before), TICKERS);
      assert.deepEqual(kindsOf(run.again), TICKERS);
      assert.ok(!run.again.some(({ number }) => run.own.includes(number)));
      // They are open.
      assert.deepEqual(run.first, run.own.map(() => '// What ot'));
      assert.deepEqual(run.after, []);
      assert.ok(share(readProfile(run.profile.file).samples, 'cpu', has('chunk')) > 0.7);
    });

    it(`where the kernel queues no signals, another kind is sent (Node ${major})`, async () => {
      // prlimit(1) is in util-linux. The limit is the user's, whose other processes have some queued.
      const wrap = (node, args) => ['prlimit', ['--sigpending=0', node, ...args]];
      const run = await hazard('besideNobody', major, {}, { wrap });
      const { samples, signalsSent, unqueuedSignals, forgedSignals } = run.stats;
      assert.ok(unqueuedSignals > 100 && unqueuedSignals >= 0.9 * signalsSent, `${unqueuedSignals} of ${signalsSent} were not queued`);
      assert.ok(samples > 0.9 * signalsSent, `${samples} samples of ${signalsSent} signals`);
      assert.equal(forgedSignals, 0);
      assert.ok(share(readProfile(run.profile.file).samples, 'cpu', has('chunk')) > 0.9);
    });

    it(`SIGSTOP and SIGCONT bring no burst of signals (Node ${major})`, async () => {
      const stopMs = long ? 10_000 : 2000;
      const child = await launchScenario('hazards', major, { hazard: 'stopped', stopMs, options: {} });
      await child.waitFor('READY');
      process.kill(child.pid, 'SIGSTOP');
      await sleep(stopMs);
      const queued = Number(/^SigQ:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]);
      const pending = readdirSync(`/proc/${child.pid}/task`).map(
        (task) => /^SigPnd:\s+(\w+)/m.exec(readFileSync(`/proc/${child.pid}/task/${task}/status`, 'utf8'))[1],
      );
      process.kill(child.pid, 'SIGCONT');
      const run = await child.report();
      assert.ok(run.longest > stopMs * 0.9e6, `the process was stopped: ${run.longest / 1e6} ms`);
      assert.ok(run.burst <= 8, `${run.burst} signals or samples within 20 ms`);
      assert.ok(
        pending.every((mask) => BigInt(`0x${mask}`).toString(2).replaceAll('0', '').length <= 2),
        `${pending} pending, ${queued} queued`,
      );
    });

    it(`a thread that blocks our signal has at most one pending (Node ${major})`, async () => {
      // With one thread alone: others would be asked whether they run JavaScript, which is counted too.
      const run = await hazard('blocked', major, { options: { ...fast.options, threads: 'main' } });
      assert.ok(run.sent <= 2, `${run.sent} signals sent`);
      assert.ok(run.samples <= 1);
      const { samples } = readProfile(run.profile.file);
      // The time goes to the next sample.
      assert.ok(Math.abs(total(samples, 'cpu') - run.cpu) < 0.03 * run.cpu, `${total(samples, 'cpu') / 1e6} of ${run.cpu / 1e6} ms of CPU`);
    });

    it(`ulimit -i 0: profiles, or says clearly why not (Node ${major})`, async () => {
      const run = await hazard('plain', major, {}, { wrap: (node, args) => ['sh', ['-c', 'ulimit -i 0; exec "$@"', 'sh', node, ...args]] });
      if (run.code !== undefined) {
        assert.match(run.code, /^ERR_PRONGHORN_/);
        assert.match(run.message, /limit|signal/i);
        return;
      }
      const { samples } = readProfile(run.profile.file);
      const measured = share(samples, 'cpu', has('burn')) > 0.9 && total(samples, 'count') > 100;
      assert.ok(
        measured || run.capabilities.reasons.some((reason) => /signal|limit/i.test(reason)),
        `${total(samples, 'count')} samples, ${run.capabilities.reasons}`,
      );
    });

    it(`another library's SIGSEGV handler switches the walk off (Node ${major})`, async () => {
      const run = await hazard('foreignSegvHandler', major);
      assert.equal(run.walkBefore, true);
      assert.equal(run.walk, false);
      assert.ok(
        run.reasons.some((reason) => /SIGSEGV/.test(reason)),
        `${run.reasons}`,
      );
      assert.equal(run.calls, 0, 'no fault of ours reached it');
      assert.ok(run.after.refusedWalks > run.before.refusedWalks);
      assert.match(run.disposition, /fixture/, 'stop() leaves their handler alone');
    });

    for (const [to, name, expected] of [
      [1, 'ignored', /^ignore$/],
      [2, "another's", /fixture/],
    ]) {
      it(`our signal's disposition becomes ${name} (Node ${major})`, async () => {
        const run = await hazard('changedDisposition', major, { to });
        assert.match(run.disposition, expected, 'stop() leaves it as it found it');
        assert.notEqual(run.second.signal, run.signal);
        assert.ok(run.second.samples > 10);
      });
    }

    it(`keeps errno (Node ${major})`, async () => {
      const run = await hazard('errno', major);
      for (const [set, found] of run.values) assert.equal(found, set);
      assert.ok(run.samples > 20);
    });

    for (const [what, stallThresholdMs] of [['', 0], [', where it names a stack too', 20]]) {
      it(`takes less than 8 KiB of stack, the kernel's frame included${what} (Node ${major})`, async (context) => {
        const options = { ...fast.options, stallThresholdMs, stallOutput: '/dev/null' };
        const run = await hazard('signalStack', major, { options });
        assert.equal(run.painted, 0);
        assert.equal(run.before, 0);
        assert.ok(run.samples > 20);
        context.diagnostic(`${run.used} bytes`);
        assert.ok(run.used > 1024 && run.used < 8192, `${run.used} bytes`);
        assert.equal(run.stalls, stallThresholdMs === 0 ? 0 : 1);
      });
    }

    it(`WebAssembly traps stay V8's (Node ${major})`, async () => {
      const run = await hazard('wasmTraps', major);
      assert.equal(run.trapped, run.tried);
      assert.ok(run.tried > 500 && run.samples > 100);
    });

    for (const [handler, what] of [
      [undefined, 'with no handler'],
      [0, 'with a handler that restores the default'],
      [1, 'with a handler that exits'],
    ]) {
      it(`a real crash stays a crash, ${what} (Node ${major})`, async () => {
        const child = await launchScenario('hazards', major, { hazard: 'crash', handler, ...fast });
        const result = await child.done;
        assert.match(result.stdout, /CRASHING/);
        if (handler === 1) assert.equal(result.code, 77);
        else assert.equal(result.signal, 'SIGSEGV');
        assert.equal(/fixture: SIGSEGV handler called/.test(result.stderr), handler !== undefined);
      });
    }
  });
}
