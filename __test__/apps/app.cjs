// An ordinary program that knows nothing of pronghorn. Its first argument says what it does.
const { execSync, spawn } = require('node:child_process');
const { writeSync } = require('node:fs');

let sink = 1;
const say = (text) => writeSync(1, `${text}\n`);

function busyLoop(ms) {
  const end = Date.now() + ms;
  while (Date.now() < end) for (let index = 0; index < 50_000; index++) sink = (Math.imul(sink, 69069) + index) | 0;
}

function runSleep(seconds) {
  execSync(`sleep ${seconds}`, { stdio: 'ignore' });
}

const listeners = () => ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => process.listenerCount(signal)).join();

const modes = {
  normal() {
    busyLoop(300);
    say(`LISTENERS ${listeners()}`);
  },
  exit3() {
    busyLoop(300);
    process.exit(3);
  },
  exitCode() {
    busyLoop(300);
    process.exitCode = 4;
  },
  throws() {
    busyLoop(300);
    throw new TypeError('thrown on purpose');
  },
  rejects() {
    busyLoop(300);
    Promise.reject(new TypeError('rejected on purpose'));
  },
  busy() {
    busyLoop(200);
    say(`READY ${listeners()}`);
    busyLoop(1e9);
  },
  execSync() {
    busyLoop(200);
    // What ran before the event loop's turn has been resolved; a thread blocked in native code can resolve nothing.
    setTimeout(() => {
      say(`READY ${listeners()}`);
      runSleep(60);
    }, 20);
  },
  // A synchronous program that would end by itself soon; the signal still counts.
  syncEnd() {
    busyLoop(200);
    say(`READY ${listeners()}`);
    busyLoop(800);
  },
  idle() {
    busyLoop(300);
    setInterval(() => {}, 1000);
    say(`READY ${listeners()}`);
  },
  // Adds a listener of its own, later: it takes over.
  listener() {
    busyLoop(200);
    setTimeout(() => {
      process.on('SIGTERM', () => {
        say('HANDLED');
        setTimeout(() => process.exit(9), 100);
      });
      say(`READY ${listeners()}`);
    }, 50);
    setInterval(() => {}, 1000);
  },
  ipc() {
    process.on('message', (message) => {
      busyLoop(100);
      process.send({ echo: message }, () => {
        if (message === 'end') process.disconnect();
      });
    });
    process.send('hello');
  },
  stdin() {
    let text = '';
    process.stdin
      .setEncoding('utf8')
      .on('data', (part) => (text += part))
      .on('end', () => {
        busyLoop(200);
        say(`STDIN ${text.length} ${text.slice(0, 5)}`);
      });
  },
  // A signal arrives so many milliseconds after the end has begun: while the profile is ended, or written.
  signalAtEnd() {
    const [delay] = process.argv.slice(3).map(Number);
    process.prependListener('exit', () => {
      if (delay === 0) process.kill(process.pid, 'SIGTERM');
      else spawn('sh', ['-c', `sleep ${delay / 1000}; kill -TERM ${process.pid}`], { stdio: 'ignore', detached: true });
    });
    busyLoop(300);
  },
  // Stops the profiler itself, and has the profile; then a signal comes.
  async stopsItself() {
    busyLoop(100);
    const { stop } = await import('pronghorn');
    const profile = await stop();
    say(`STOPPED ${profile.stats.samples > 0}`);
    process.kill(process.pid, 'SIGTERM');
    busyLoop(1e9);
  },
  // Writes what it was started with.
  arguments() {
    say(`ARGS ${JSON.stringify(process.argv.slice(3))} ${JSON.stringify(process.execArgv)}`);
  },
};

modes[process.argv[2]]();
