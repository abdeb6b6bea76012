// A program of short callbacks with a wait before each: what a server is. Each computes first in one function, then three times as long in another.
import { fixture, keep, report, rest, settings, startOptions } from '../helpers/scenario.mjs';
import { start } from 'pronghorn';

let sink = 1;

function work(rounds) {
  for (let index = 0; index < rounds; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

function firstQuarter() {
  work(settings.rounds);
}

function theRest() {
  work(3 * settings.rounds);
}

function callback() {
  firstQuarter();
  theRest();
}

// So that the code is optimized, and a callback takes as long in the first round as in the last.
for (let index = 0; index < 300; index++) callback();

const profiler = start(startOptions());
for (const end = performance.now() + settings.ms; performance.now() < end; ) {
  callback();
  // Longer than two intervals now and then: the ticker parks.
  await rest(Math.random() < 0.2 ? 6 : 1);
}
report({ threadId: fixture.threadId(), ...keep(await profiler.stop(), 'callbacks') });
