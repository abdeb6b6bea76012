// Calls that block the thread, each in a function of its own, nearly all of the profiled time.
import { execSync, spawn } from 'node:child_process';
import { openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { start } from 'pronghorn';
import { fixture, keep, monotonic, report, settings, startOptions } from '../helpers/scenario.mjs';

const cell = new Int32Array(new SharedArrayBuffer(4));

function waitOnAtomics() {
  Atomics.wait(cell, 0, 0, 1000);
}

function runSleep() {
  execSync('sleep 1');
}

const fifo = join(settings.out, 'fifo');
let descriptor;

function readPipe() {
  readSync(descriptor, Buffer.alloc(16));
}

function napNatively() {
  return fixture.blockingNanosleep(300);
}

let blocks = 1;
let prepared;
let block;
if (settings.what === 'atomics') block = waitOnAtomics;
if (settings.what === 'execSync') block = runSleep;
if (settings.what === 'readSync') {
  execSync(`mkfifo ${fifo}`);
  // Opened for both directions, so that opening does not block and reading does.
  descriptor = openSync(fifo, 'r+');
  prepared = () => spawn('sh', ['-c', `sleep 1; echo done > ${fifo}`], { stdio: 'ignore' });
  block = readPipe;
}
if (settings.what === 'native') [block, blocks] = [napNatively, 5];
const writer = prepared?.();

const profiler = await start(startOptions());
const begin = monotonic();
const sentBefore = profiler.stats().signalsSent;
const interrupted = [];
for (let index = 0; index < blocks; index++) interrupted.push(block());
const signals = profiler.stats().signalsSent - sentBefore;
const wall = monotonic() - begin;
const profile = await profiler.stop();
writer?.kill();
report({ function: block.name, blocks, signals, interrupted, wall, profile: keep(profile, 'profile') });
