// The stall watcher: an event loop that is blocked is reported while it is, with the stack that blocks it, and published when it is back.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { launch, sleep } from './helpers/child.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { launchScenario, runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';
import { switches } from './helpers/switches.mjs';

const file = join(root, '__test__/scenarios/stalls.mjs');
const lineOf = (text) => 1 + readFileSync(file, 'utf8').split('\n').findIndex((line) => line.includes(text));

/** Waits until something is so, or until time runs out. */
async function until(condition, ms = 20_000) {
  for (const end = performance.now() + ms; !condition() && performance.now() < end; ) await sleep(10);
  return condition();
}

const stalls = (what, major, settings = {}, options = {}) =>
  runScenario('stalls', major, { what, ...settings, options: { stallThresholdMs: 300, ...settings.options } }, { deadlineMs: 60_000, ...options });

/** The names of a message's frames, innermost first. */
const names = ({ frames }) => frames.map((frame) => frame.function);

const HEAD = /pronghorn: the event loop of process (\d+) has been blocked for ([\d,]+) ms in\n/;

for (const major of majors) {
  describe(`stalls on Node ${major}`, { concurrency: 2 }, () => {
    it(`an endless loop is reported while it runs, and again (Node ${major})`, async () => {
      const child = await launchScenario('stalls', major, { what: 'endless', options: { stallThresholdMs: 200 } });
      try {
        await child.waitFor('BLOCKS');
        const reports = () => child.output.stderr.split('pronghorn: ').length - 1;
        assert.ok(await until(() => reports() >= 1), child.output.stderr);
        assert.equal(child.exitCode, null);
        await sleep(100);
        const [, pid, ms] = HEAD.exec(child.output.stderr) ?? [];
        assert.equal(Number(pid), child.pid, child.output.stderr);
        assert.ok(Number(ms.replace(',', '')) >= 200, ms);
        assert.match(child.output.stderr, new RegExp(`    at endlessLoop \\(file://.*stalls\\.mjs:${lineOf('@endless')}:\\d+\\)\n`));
        assert.match(child.output.stderr, /\n    at listOnTimeout \(node:internal\/timers:\d+:\d+\)\n/);
        // At ten times the threshold, with the stack of then.
        assert.ok(await until(() => reports() >= 2), child.output.stderr);
        assert.equal(child.exitCode, null);
      } finally {
        child.killGroup();
        await child.done;
      }
    });

    it(`execSync (Node ${major})`, async () => {
      const began = Date.now();
      const { messages, stats, pid, stderr } = await stalls('execSync', major);
      assert.equal(messages.length, 1, JSON.stringify(messages));
      const [message] = messages;
      const all = names(message);
      const script = all.findIndex((name) => name === 'runSleep');
      assert.deepEqual([message.frames[script].kind, message.frames[script].line], ['script', lineOf("execSync('sleep 2')")]);
      assert.ok(all.indexOf('execSync') < script && all.some((name) => name.includes('SyncProcessRunner')), message.stack);
      assert.equal(message.frames[0].kind, 'native');
      assert.ok(message.durationMs >= 1_900 && message.takenAfterMs >= 300 && message.takenAfterMs <= message.durationMs, JSON.stringify(message));
      assert.ok(message.startTime >= began - 1_000 && message.startTime <= Date.now(), `${message.startTime}`);
      assert.deepEqual([message.pid, message.thresholdMs, message.sinceStart, message.framesLeftOut], [pid, 300, false, 0]);
      assert.deepEqual([stats.stalls, stats.stallReports, stats.lostStallReports], [1, 1, 0]);
      // What is written is what is published.
      assert.match(stderr, HEAD);
      assert.ok(stderr.includes(`\n${message.stack}\n`), stderr);
      assert.match(message.stack, /^    at \S+ \(native, .*\n[^]*\n    at runSleep \(file:.*:\d+:\d+\)\n/);
    });

    it(`a JSON.parse of 200 MB (Node ${major})`, async () => {
      const { messages, stderr } = await stalls('json', major, { options: { stallThresholdMs: 50 } });
      const message = messages.find((each) => names(each).includes('parseMuch'));
      assert.ok(message, `${JSON.stringify(messages)}\n${stderr}`);
      const parse = names(message).indexOf('parse');
      assert.ok(message.frames[parse].kind === 'builtin' && names(message)[parse + 1] === 'parseMuch', message.stack);
      assert.equal(message.frames[parse + 1].line, lineOf('JSON.parse(sink)'));
      assert.match(stderr, /    at parse \(builtin\)\n    at parseMuch \(/);
    });

    it(`blocked in native code, in Atomics.wait and in code without a file (Node ${major})`, async () => {
      const [native, atomics, evaluated] = await Promise.all(['native', 'atomics', 'evaluated'].map((what) => stalls(what, major, { ms: 900 })));
      assert.deepEqual([native, atomics, evaluated].map((run) => run.messages.length), [1, 1, 1]);
      assert.ok(names(native.messages[0]).includes('napNatively'), native.messages[0].stack);
      const wait = names(atomics.messages[0]);
      assert.equal(wait[wait.indexOf('wait') + 1], 'waitForNobody', atomics.messages[0].stack);
      assert.match(evaluated.messages[0].stack, /    at evaluated \(eval at file:.*stalls\.mjs:2:3\)\n    at evaluate \(/);
    });

    it(`in garbage collections nothing is read (Node ${major})`, async () => {
      const { messages, stats, stderr } = await stalls('collections', major, { ms: 1_500 }, { flags: ['--expose-gc', '--single-threaded-gc'] });
      assert.equal(messages.length, 1, stderr);
      // Between two of them, or in one.
      const [message] = messages;
      if (message.frames.length > 0) assert.ok(names(message).includes('collectGarbage'), message.stack);
      else assert.match(stderr, /has been blocked for [\d,]+ ms in a garbage collection\n/);
      assert.equal(stats.faults, 0);
    });

    it(`a program that does not come to its loop, and one that stops before it is back (Node ${major})`, async () => {
      const [atOnce, stopped] = await Promise.all(['atOnce', 'stopped'].map((way) => stalls('loop', major, { way, ms: 800 })));
      assert.deepEqual(atOnce.messages.map(({ sinceStart }) => sinceStart), [true]);
      assert.match(atOnce.stderr, /pronghorn: process \d+ has not come to its event loop since the profiler started [\d,]+ ms ago; it is blocked in\n/);
      assert.deepEqual(stopped.messages.map((message) => [message.sinceStart, names(message).includes('longLoop')]), [[false, true]]);
    });

    it(`every stall is published, also if a listener throws (Node ${major})`, async () => {
      const { messages, stats, thrown } = await stalls('loop', major, { way: 'throws', ms: 700, rounds: 2 });
      assert.equal(messages.length, 2);
      assert.deepEqual(thrown, ['on purpose', 'on purpose']);
      assert.equal(stats.stalls, 2);
    });

    it(`reports go to a file, one behind the other, and show the native frames that profiles show (Node ${major})`, async () => {
      const path = join(scratch(), 'stalls.log');
      const { messages, stderr, stats } = await stalls('execSync', major, { rounds: 2, options: { stallOutput: path, nativeFrames: 'none' } });
      assert.equal(messages.length, 2);
      assert.equal(stderr, '');
      const text = readFileSync(path, 'utf8');
      assert.equal(text.split(new RegExp(HEAD, 'g')).length, 1 + 2 * 3, text);
      assert.ok(!text.includes('native') && messages.every(({ frames }) => frames.every(({ kind }) => kind !== 'native')), text);
      assert.equal(stats.stallReports, 2);
    });

    it(`an output that takes nothing costs the report alone (Node ${major})`, async () => {
      const { messages, stats, stderr } = await stalls('loop', major, { ms: 700, options: { stallOutput: '/dev/full' } });
      assert.deepEqual([messages.length, stats.stallReports, stats.lostStallReports, stderr], [1, 0, 1, '']);
    });

    it(`an idle process stays asleep, and one that was stopped has not stalled (Node ${major})`, async () => {
      const idle = async (stallThresholdMs) => {
        const child = await launchScenario('stalls', major, { way: 'idle', what: 'loop', ms: 300, options: { stallThresholdMs } }, { stdin: 'pipe' });
        await child.waitFor('READY', 20_000);
        await sleep(1_500);
        const before = switches(child.pid);
        await sleep(2_000);
        const after = switches(child.pid);
        child.stdin.end('go\n');
        const { messages } = await child.report();
        const woke = Object.entries(after).map(([task, count]) => count - (before[task] ?? 0));
        return { messages: messages.length, count: woke.reduce((sum, count) => sum + count, 0) };
      };
      const [off, on] = await Promise.all([idle(0), idle(100)]);
      assert.deepEqual([off.messages, on.messages], [0, 1]);
      assert.ok(on.count <= off.count + 2, `${on.count} voluntary switches, ${off.count} without the option`);

      const child = await launchScenario('stalls', major, { way: 'turns', ms: 4_500, options: { stallThresholdMs: 1_000 } });
      await child.waitFor('READY');
      await sleep(500);
      child.kill('SIGSTOP');
      await sleep(2_500);
      child.kill('SIGCONT');
      const { messages, stderr } = await child.report();
      assert.deepEqual([messages, stderr], [[], '']);
    });

    it(`a program that a debugger has paused has not stalled (Node ${major})`, async () => {
      const { messages, stats, stderr } = await stalls('', major, { way: 'debugged', ms: 1_500 });
      assert.deepEqual([messages, stats.stalls], [[], 0], stderr);
      assert.doesNotMatch(stderr, /pronghorn/);
    });

    it(`register and pronghorn run (Node ${major})`, async () => {
      const code = 'setTimeout(function stuck() { for (;;); }, 20)';
      const out = scratch();
      const log = join(out, 'stalls.log');
      const env = { PRONGHORN_OUTPUT_DIR: out };
      const ways = [
        launch(nodePath(major), ['--import', 'pronghorn/register', '-e', code], { env: { ...env, PRONGHORN_STALL_THRESHOLD_MS: '300' } }),
        launch(nodePath(major), [join(root, 'dist/cli.js'), 'run', '--stall-threshold-ms', '300', '--stall-output', log, '--', '-e', code], { env }),
      ];
      try {
        assert.ok(await until(() => ways[0].output.stderr.includes('stuck') && existsSync(log) && readFileSync(log, 'utf8').includes('stuck')));
        assert.deepEqual(ways.map((child) => child.exitCode), [null, null]);
      } finally {
        for (const child of ways) {
          child.kill('SIGTERM');
          await until(() => child.exitCode !== null || child.signalCode !== null, 5_000);
          child.killGroup();
          await child.done;
        }
      }
    });
  });
}
