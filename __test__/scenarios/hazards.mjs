// What other code in the process, and other processes, may do to a profiler: one function per hazard.
import { closeSync, openSync, readSync } from 'node:fs';
import { start } from 'pronghorn';
import { burn, fixture, keep, monotonic, report, rest, say, settings, startOptions } from '../helpers/scenario.mjs';
import { kindsOf, taskFiles } from '../helpers/open-files.mjs';
import { restless } from '../helpers/restless.mjs';

const realTime = Array.from({ length: 64 - 34 + 1 }, (_, index) => 34 + index);
const dispositions = () => Object.fromEntries(realTime.map((signal) => [signal, fixture.dispositionOf(signal)]));
const SIGSEGV = 11;
const SIGPROF = 27;
const SIGBUS = 7;

const hazards = {
  // Which signal is taken, and what is left of it.
  async signal() {
    for (const signal of settings.taken ?? []) fixture.changeDisposition(signal, 2);
    const before = { ...dispositions(), segv: fixture.dispositionOf(SIGSEGV), bus: fixture.dispositionOf(SIGBUS) };
    const profiler = await start(startOptions());
    burn(100);
    const during = { ...dispositions(), prof: fixture.dispositionOf(SIGPROF) };
    const { signal } = profiler.capabilities;
    const profile = await profiler.stop();
    const after = { ...dispositions(), segv: fixture.dispositionOf(SIGSEGV), bus: fixture.dispositionOf(SIGBUS) };
    // Sent by hand after the end: the empty handler takes it.
    for (let index = 0; index < 20; index++) process.kill(process.pid, signal);
    burn(20);
    return { signal, before, during, after, samples: profile.stats.samples, ownHandlerCalls: fixture.ownHandlerCalls() };
  },

  async cycles() {
    const numbers = [];
    let samples = 0;
    for (let cycle = 0; cycle < settings.cycles; cycle++) {
      const profiler = await start(startOptions());
      burn(4);
      numbers.push(profiler.capabilities.signal);
      samples += (await profiler.stop()).stats.samples;
    }
    return {
      numbers: [...new Set(numbers)],
      samples,
      carried: Object.values(dispositions()).filter((value) => value !== 'default').length,
    };
  },

  // --cpu-prof runs as well (a flag of the test); the inspector's profiler besides.
  async besideOthers() {
    const { Session } = await import('node:inspector/promises');
    const session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    const profiler = await start(startOptions());
    burn(600);
    const profile = await profiler.stop();
    const { profile: theirs } = await session.post('Profiler.stop');
    session.disconnect();
    return {
      theirs: theirs.samples.length,
      hit: theirs.nodes.some((node) => node.callFrame.functionName === 'chunk'),
      profile: keep(profile, 'profile'),
    };
  },

  async besideNobody() {
    const profiler = await start(startOptions());
    burn(600);
    const stats = profiler.stats();
    return { stats, profile: keep(await profiler.stop(), 'profile') };
  },

  async forged() {
    const profiler = await start(startOptions());
    const { signal } = profiler.capabilities;
    const word = () => Math.floor(Math.random() * 2 ** 32);
    const values = [
      () => [0, 0],
      () => [0, 1],
      () => [0, word() % 64],
      () => [0xffffffff, 0xffffffff],
      () => [0, word()],
      () => [word(), word()],
      () => [0x7fff, word()],
    ];
    let sent = 0;
    for (let index = 0; index < settings.count; index++) {
      const [high, low] = values[index % values.length]();
      const code = [-1, -2, -3, -6][index % 4];
      const pid = index % 3 === 0 ? 1 : 0;
      const tid = index % 2 === 0 ? fixture.threadId() : 0;
      if (fixture.sendForgedSignal(signal, high, low, code, pid, tid) === 0) sent++;
      if (index % 50 === 0) burn(5);
    }
    say(`SIGNAL ${signal} `);
    // Until those that the test sends from outside have arrived as well.
    const end = monotonic() + 5e9;
    while (profiler.stats().forgedSignals < sent + settings.fromOutside && monotonic() < end) burn(20);
    burn(20);
    const stats = profiler.stats();
    const profile = await profiler.stop();
    return { sent, forged: stats.forgedSignals, profile: keep(profile, 'profile') };
  },

  // Somebody takes the sampling signal away for a while, and gives it back.
  async swallowed() {
    const profiler = await start(startOptions());
    const { signal } = profiler.capabilities;
    burn(100);
    fixture.swallowSignal(signal, 1);
    burn(400);
    const meanwhile = profiler.stats();
    fixture.swallowSignal(signal, 0);
    // Until the last one that was swallowed has been given up, and the next has come.
    const end = monotonic() + 10e9;
    while (profiler.stats().samples <= meanwhile.samples && monotonic() < end) burn(20);
    burn(400);
    return { meanwhile, after: profiler.stats(), profile: keep(await profiler.stop(), 'profile') };
  },

  // Whoever becomes a daemon closes what it does not know, and has the numbers for itself then.
  async closed() {
    const profiler = await start(startOptions());
    // That in which threads are listed is open for a moment only.
    const theTickers = () => {
      const before = taskFiles(process.pid);
      burn(5);
      return taskFiles(process.pid).filter((one) => before.some(({ number, file }) => number === one.number && file === one.file));
    };
    const untilBothAreOpen = () => {
      for (let tries = 1; ; tries++) {
        restless(burn);
        const open = theTickers();
        if (kindsOf(open).length >= 2 || tries === 10) return open;
      }
    };
    const before = untilBothAreOpen();
    const file = new URL(import.meta.url);
    const own = before.map(({ number }) => {
      const lower = [];
      for (;;) {
        closeSync(number);
        let taken = openSync(file, 'r');
        while (taken < number) {
          lower.push(taken);
          taken = openSync(file, 'r');
        }
        if (taken === number) {
          lower.forEach((other) => closeSync(other));
          return number;
        }
        // The ticker has been quicker, and has its number again.
        closeSync(taken);
      }
    });
    const again = untilBothAreOpen();
    const profile = await profiler.stop();
    const first = own.map((number) => {
      const bytes = Buffer.alloc(10);
      readSync(number, bytes, 0, bytes.length, null);
      return bytes.toString();
    });
    return { before, own, again, first, after: theTickers(), profile: keep(profile, 'profile') };
  },

  // The test stops and continues the process in the middle.
  async stopped() {
    const profiler = await start(startOptions());
    burn(100);
    let longest = 0;
    let burst = 0;
    let time = monotonic();
    const end = time + settings.stopMs * 1e6 + 600e6;
    // The test may stop us before this call returns, so the clock has been read already.
    say('READY');
    while (time < end) {
      const before = profiler.stats();
      burn(20);
      const after = profiler.stats();
      const now = monotonic();
      longest = Math.max(longest, now - time);
      burst = Math.max(burst, after.signalsSent - before.signalsSent, after.samples - before.samples);
      time = now;
    }
    const profile = await profiler.stop();
    return { longest, burst, profile: keep(profile, 'profile') };
  },

  // The thread blocks our signal for a while: one may be pending, no more.
  async blocked() {
    const profiler = await start(startOptions());
    const { signal } = profiler.capabilities;
    const began = fixture.threadCpuNanos();
    burn(50);
    fixture.blockSignal(signal, 1);
    const before = profiler.stats();
    burn(500);
    const during = profiler.stats();
    fixture.blockSignal(signal, 0);
    burn(100);
    const cpu = fixture.threadCpuNanos() - began;
    const profile = await profiler.stop();
    return {
      cpu,
      sent: during.signalsSent - before.signalsSent,
      samples: during.samples - before.samples,
      profile: keep(profile, 'profile'),
    };
  },

  async plain() {
    let profiler;
    try {
      profiler = await start(startOptions());
    } catch (error) {
      return { code: error.code, message: error.message };
    }
    burn(500);
    const { capabilities } = profiler;
    const profile = await profiler.stop();
    return { capabilities, profile: keep(profile, 'profile') };
  },

  // A crash reporter loaded after us: it would end the process at any fault of ours.
  async foreignSegvHandler() {
    const profiler = await start(startOptions());
    burn(200);
    const walkBefore = profiler.capabilities.walk;
    const before = profiler.stats();
    fixture.installSegvHandler(1);
    hostile(500);
    const { walk, reasons } = profiler.capabilities;
    const after = profiler.stats();
    const profile = await profiler.stop();
    return {
      walkBefore,
      walk,
      reasons,
      before,
      after,
      calls: fixture.segvHandlerCalls(),
      disposition: fixture.dispositionOf(SIGSEGV),
      profile: keep(profile, 'profile'),
    };
  },

  // Our signal's disposition is taken over by other code, which stop() must respect.
  async changedDisposition() {
    const profiler = await start(startOptions());
    const { signal } = profiler.capabilities;
    burn(100);
    fixture.changeDisposition(signal, settings.to);
    burn(300);
    const { capabilities } = profiler;
    const profile = await profiler.stop();
    const disposition = fixture.dispositionOf(signal);
    // The next start finds another signal, or says why not.
    const again = await start(startOptions());
    burn(200);
    const second = { signal: again.capabilities.signal, samples: (await again.stop()).stats.samples };
    return { signal, disposition, capabilities, second, profile: keep(profile, 'profile') };
  },

  async errno() {
    const profiler = await start(startOptions());
    const values = [];
    for (const value of [4242, 1, 0, 133]) values.push([value, fixture.errnoAfterBurn(value, 150)]);
    return { values, samples: (await profiler.stop()).stats.samples };
  },

  // The handler runs on the thread's alternate stack where it has one, as here; calls as deep as a sort's comparer in a getter.
  async signalStack() {
    const painted = fixture.paintSignalStack();
    const before = fixture.usedSignalStack();
    const profiler = await start(startOptions());
    const list = Array.from({ length: 300 }, (_, index) => ({ get value() { return (index * 7919) % 311; } }));
    const end = monotonic() + 500e6;
    while (monotonic() < end) {
      list.sort((a, b) => a.value - b.value).reverse();
      JSON.stringify(list);
      fixture.burn(1);
    }
    const { stats } = await profiler.stop();
    return { painted, before, used: fixture.usedSignalStack(), samples: stats.samples, stalls: stats.stalls };
  },

  // Out-of-bounds loads of WebAssembly are SIGSEGVs that belong to V8.
  async wasmTraps() {
    // (module (memory 1) (func (export "load") (param i32) (result i32) local.get 0 i32.load))
    const bytes = [
      0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 8, 1, 4, 108, 111, 97, 100, 0, 0, 10, 9, 1, 7,
      0, 32, 0, 40, 2, 0, 11,
    ];
    const { load } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports;
    const profiler = await start(startOptions());
    let trapped = 0;
    const end = monotonic() + 500e6;
    let tried = 0;
    while (monotonic() < end) {
      tried++;
      try {
        load(0x7ffffff0);
      } catch (error) {
        if (error instanceof WebAssembly.RuntimeError) trapped++;
      }
      load(16);
    }
    return { tried, trapped, samples: (await profiler.stop()).stats.samples };
  },

  // Does not return: a crash of the program's own, under the profiler.
  async crash() {
    if (settings.handler !== undefined) fixture.installSegvHandler(settings.handler);
    await start(startOptions());
    burn(200);
    say('CRASHING');
    fixture.dereferenceNull();
    return {};
  },
};

/** Leaf-heavy work, whose frames tempt a walker into bad loads. */
function hostile(ms) {
  const end = monotonic() + ms * 1e6;
  while (monotonic() < end) {
    fixture.churn(2);
    JSON.parse(JSON.stringify(Array.from({ length: 200 }, (_, index) => ({ index, text: `${index}`.repeat(5) }))));
    burn(2);
  }
}

report(await hazards[settings.hazard]());
await rest(0);
