// Exporters under register and `pronghorn run`: what becomes of the last profile at each kind of end, what is said, and what never is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { selfSigned, startHttps } from './helpers/certificates.mjs';
import { launch } from './helpers/child.mjs';
import { startMisbehaving } from './helpers/misbehaving.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { has, readProfile, total } from './helpers/pprof.mjs';
import { scratch } from './helpers/scratch.mjs';
import { freePort } from './helpers/servers.mjs';

const SECRET = 'do-not-show-4711';
// By its own CPU time: on a machine that is busy otherwise it may get little of any span of time.
const BURN = `function hot(ms) { let x = 0; for (const end = process.cpuUsage().user + 1e3 * ms; process.cpuUsage().user < end;) for (let i = 0; i < 1e4; i++) x += i; return x; }
hot(200);`;

/** Runs source text under register, or `pronghorn run` with `flags`, with its profiles in a folder of its own. */
async function program(major, source, env = {}, { flags, deadlineMs = 40_000, during } = {}) {
  const folder = scratch();
  const out = join(folder, 'profiles');
  const app = join(folder, 'app.mjs');
  writeFileSync(app, `${BURN}\n${source}`);
  const args = flags === undefined ? ['--import', join(root, 'dist/register.js'), app] : [join(root, 'dist/cli.js'), 'run', ...flags, '--', app];
  const child = launch(nodePath(major), args, { deadlineMs, env: { PRONGHORN_OUTPUT_DIR: out, PRONGHORN_INTERVAL_MICROS: '1000', ...env } });
  await during?.(child);
  const result = await child.done;
  assert.equal(result.timedOut, false, result.stderr);
  // All that there is, whatever it is called: nothing half-written stays, and nothing of anybody else's comes.
  const files = existsSync(out) ? readdirSync(out) : [];
  assert.deepEqual(files.filter((name) => !name.endsWith('.pb.gz')), []);
  return { ...result, out, files, profiles: files.map((name) => readProfile(join(out, name))) };
}

const isHot = (profile) => total(profile.samples.filter(has('hot')), 'count') > 0;
const plain = /^CPU\.\d{8}\.\d{6}\.\d+\.\d+\.pb\.gz$/;
const exported = /^CPU\.\d{8}\.\d{6}\.\d+\.\d+\.[0-9a-f]{8}\.pb\.gz$/;
const toServer = (server, more = {}) => ({ PRONGHORN_EXPORTERS: 'http', PRONGHORN_HTTP_URL: server.url, PRONGHORN_HTTP_HEADERS: `X-Key=${SECRET}`, PRONGHORN_STOP_TIMEOUT_MS: '20000', ...more });

for (const major of majors) {
  describe(`exporters under register, Node ${major}`, { concurrency: 2 }, () => {
    const withServer = async (behaviours, run) => {
      const server = await startMisbehaving(...behaviours);
      try {
        return await run(server);
      } finally {
        await server.stop();
      }
    };

    it(`a natural end waits for the upload, and the exit code stays (Node ${major})`, () =>
      withServer([{ delayMs: 1_000 }], async (server) => {
        const { code, stderr, files } = await program(major, 'process.exitCode = 7;', toServer(server));
        assert.deepEqual([code, stderr, files], [7, '', []]);
        assert.equal(server.requests.length, 1);
        assert.ok(isHot(readProfile(server.requests[0].body)));
      }));

    it(`a natural end does not wait for longer than it may, and what has not arrived is a file (Node ${major})`, () =>
      withServer([{ kind: 'hang' }], async (server) => {
        const { code, stderr, files, profiles } = await program(major, '', toServer(server, { PRONGHORN_STOP_TIMEOUT_MS: '500' }));
        assert.equal(code, 0);
        assert.match(stderr, /^pronghorn: the process ended before all profiles were sent to http; the last is in .*\.pb\.gz\n$/);
        assert.match(files.join(), plain);
        assert.ok(isHot(profiles[0]));
      }));

    for (const [what, source, status] of [['process.exit()', 'process.exit(3);', 3], ['an uncaught exception', "throw new TypeError('on purpose');", 1]]) {
      it(`${what} leaves no time to upload: the profile is a file, and one line says so (Node ${major})`, () =>
        withServer([{}], async (server) => {
          const { code, stderr, files, profiles } = await program(major, source, toServer(server));
          assert.equal(code, status);
          assert.match(stderr, /^pronghorn: the process ended before all profiles were sent to http; the last is in .*\.pb\.gz$/m);
          assert.match(files.join(), plain);
          assert.ok(isHot(profiles[0]));
        }));

      it(`${what} with the file exporter: it writes the profile on the spot, also for those that cannot (Node ${major})`, () =>
        withServer([{}], async (server) => {
          const alone = await program(major, source, { PRONGHORN_EXPORTERS: 'file' });
          assert.deepEqual([alone.code, /^pronghorn: /m.test(alone.stderr)], [status, false], alone.stderr);
          assert.match(alone.files.join(), exported);
          assert.ok(isHot(alone.profiles[0]));
          const both = await program(major, source, toServer(server, { PRONGHORN_EXPORTERS: 'http,file' }));
          assert.match(both.stderr, /^pronghorn: the process ended before all profiles were sent to http; the file exporter has them$/m);
          assert.match(both.files.join(), exported);
        }));
    }

    it(`a signal ends the program as ever, and the profile is a file (Node ${major})`, () =>
      withServer([{}], async (server) => {
        const { signal, files, profiles } = await program(major, "console.log('ready'); setInterval(() => {}, 1000);", toServer(server), {
          during: async (child) => (await child.waitFor('ready'), process.kill(child.pid, 'SIGTERM')),
        });
        assert.equal(signal, 'SIGTERM');
        assert.match(files.join(), plain);
        assert.ok(isHot(profiles[0]));
      }));

    it(`a program that stops the profiler itself has its profile, and so has the server (Node ${major})`, () =>
      withServer([{}], async (server) => {
        const source = `const { stop } = await import(${JSON.stringify(join(root, 'dist/index.js'))}); console.log((await stop()).sequence);`;
        const { code, stdout, stderr, files } = await program(major, source, toServer(server));
        assert.deepEqual([code, stdout, stderr, files, server.requests.length], [0, '0\n', '', [], 1]);
      }));

    it(`without a folder that can be written to, exporters that need none work (Node ${major})`, () =>
      withServer([{}], async (server) => {
        const env = toServer(server, { PRONGHORN_OUTPUT_DIR: '/proc/nowhere' });
        const app = join(scratch(), 'app.mjs');
        writeFileSync(app, BURN);
        const result = await launch(nodePath(major), ['--import', join(root, 'dist/register.js'), app], { env }).done;
        assert.deepEqual([result.code, result.stderr, server.requests.length], [0, '', 1]);
        const refused = await launch(nodePath(major), ['--import', join(root, 'dist/register.js'), app], { env: { ...env, PRONGHORN_EXPORTERS: 'http,file' } }).done;
        assert.match(refused.stderr, /^pronghorn: not profiling this program: profiles cannot be written to the folder/);
      }));

    it(`trouble is said once, and no secret with it, not even where the server repeats it (Node ${major})`, () =>
      withServer([{ status: 401, body: `no: ${SECRET} and ${encodeURIComponent(SECRET)}, user:${SECRET}, ${Buffer.from(`me:${SECRET}`).toString('base64')}` }], async (server) => {
        const url = server.url.replace('http://', `http://me:${SECRET}@`);
        const env = { PRONGHORN_HTTP_URL: `${url}/in?key=${SECRET}`, PRONGHORN_PERIOD_MS: '1000', NODE_DEBUG: 'pronghorn', PRONGHORN_STOP_TIMEOUT_MS: '2000' };
        const { code, stdout, stderr, files, out } = await program(major, 'setTimeout(hot, 4_500, 300);', toServer(server, env));
        assert.equal(code, 0);
        const said = stderr.split('\n').filter((line) => line.startsWith('pronghorn: '));
        assert.equal(said.length, 1, stderr);
        assert.match(said[0], /^pronghorn: a profile for http is lost, refused: http: http:\/\/127\.0\.0\.1:\d+\/in answered 401 to a body of \d+ bytes: no: \*\*\* and \*\*\*, user:\*\*\*, \*\*\*$/);
        assert.ok(server.requests.length >= 2, `${server.requests.length} requests`);
        assert.match(server.requests[0].headers.authorization, /^Basic /);
        const all = [stdout, stderr, ...files.map((name) => gunzipSync(readFileSync(join(out, name))).toString('latin1')), ...server.requests.map(({ body }) => gunzipSync(body).toString('latin1'))];
        for (const secret of [SECRET, Buffer.from(`me:${SECRET}`).toString('base64')]) assert.ok(all.every((text) => !text.includes(secret)), stderr);
      }));

    it(`a token in a header is as secret without its scheme (Node ${major})`, () =>
      withServer([{ status: 401, body: `invalid token: ${SECRET}` }], async (server) => {
        for (const value of [`Bearer%20${SECRET}`, `Basic%20${Buffer.from(`me:${SECRET}`).toString('base64')}`]) {
          const env = { PRONGHORN_EXPORTERS: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OTEL_EXPORTER_OTLP_HEADERS: `Authorization=${value}`, NODE_DEBUG: 'pronghorn' };
          const { code, stderr } = await program(major, '', env);
          assert.equal(code, 0);
          assert.equal(server.requests.at(-1).headers.authorization, decodeURIComponent(value));
          assert.match(stderr, /^pronghorn: a profile for otlp is lost, refused: otlp: .* answered 401 to a body of \d+ bytes: invalid token: \*\*\*$/m);
          assert.ok(!stderr.includes(SECRET), stderr);
        }
      }));

    it(`no secret stands in a process list, and what names one is refused as a flag (Node ${major})`, () =>
      withServer([{}], async (server) => {
        const source = `const { readFileSync } = await import('node:fs');
for (const pid of [process.pid, process.ppid]) console.log(readFileSync(\`/proc/\${pid}/cmdline\`, 'utf8').replaceAll('\\0', ' '));`;
        const { code, stdout, stderr } = await program(major, source, toServer(server), { flags: ['--service', 'x'] });
        assert.deepEqual([code, server.requests.length], [0, 1], stderr);
        const [own, parent] = stdout.split('\n');
        assert.match(own, /app\.mjs/);
        assert.match(parent, /cli\.js run --service x -- /);
        assert.ok(!stdout.includes(SECRET), stdout);
        assert.equal(server.requests[0].headers['x-key'], SECRET, 'and yet it was used');
        const refused = spawnSync(nodePath(major), [join(root, 'dist/cli.js'), 'run', '--http-headers', `X-Key=${SECRET}`, '--', 'app.js'], { encoding: 'utf8' });
        assert.equal(refused.status, 2);
        assert.ok(!refused.stderr.includes(SECRET), refused.stderr);
      }));

    it(`NODE_DEBUG tells of rotations, exports, retries and drops, each in a line (Node ${major})`, () =>
      withServer([{}, { status: 503, body: 'full' }, { status: 503 }, {}, { status: 400, body: 'no' }], async (server) => {
        const source = `const { start } = await import(${JSON.stringify(join(root, 'dist/index.js'))});
Math.random = () => 0.05;
const profiler = start({ intervalMicros: 1_000, periodMs: 1_000, exporters: [{ type: 'http', url: process.env.TARGET }] });
for (const end = Date.now() + 20_000; profiler.stats().exporters.http.dropped === 0 && Date.now() < end; ) { hot(5); await new Promise((resolve) => setTimeout(resolve, 20)); }
await profiler.stop();`;
        const folder = scratch();
        const app = join(folder, 'app.mjs');
        writeFileSync(app, `${BURN}\n${source}`);
        const { code, stderr } = await launch(nodePath(major), [app], { deadlineMs: 40_000, env: { TARGET: server.url, NODE_DEBUG: 'pronghorn' } }).done;
        assert.equal(code, 0, stderr);
        const lines = [
          /^PRONGHORN \d+: rotation: profile 0, \d+ bytes, to be exported in \d+ ms$/m,
          /^PRONGHORN \d+: export to http: profile 0 exported, attempts: 1, \d+ bytes$/m,
          /^PRONGHORN \d+: export to http: profile 1 failed, attempts: 1, again in \d+ ms: http: http:\/\/127\.0\.0\.1:\d+\/ answered 503 to a body of \d+ bytes: full$/m,
          /^PRONGHORN \d+: export to http: profile 1 failed, attempts: 2, again in \d+ ms: http: /m,
          /^PRONGHORN \d+: export to http: profile 1 exported, attempts: 3, \d+ bytes$/m,
          /^PRONGHORN \d+: export to http: profile 2 dropped, attempts: 1, refused: http: http:\/\/127\.0\.0\.1:\d+\/ answered 400 to a body of \d+ bytes: no$/m,
        ];
        for (const line of lines) assert.match(stderr, line);
      }));

    it(`OTEL_SDK_DISABLED: nothing is sent, one line says so, and the program is as it was (Node ${major})`, () =>
      withServer([{}], async (server) => {
        const env = { PRONGHORN_EXPORTERS: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OTEL_SDK_DISABLED: 'true', OTEL_RESOURCE_ATTRIBUTES: 'discount=100%' };
        const { code, stderr, out } = await program(major, 'process.exitCode = 3;', env);
        assert.deepEqual([code, server.requests.length, existsSync(out) ? readdirSync(out) : []], [3, 0, []], stderr);
        assert.equal(stderr, 'pronghorn: OTEL_RESOURCE_ATTRIBUTES is ignored: it must be a list key=value,key=value with percent-encoded values\npronghorn: the otlp exporter sends nothing, since OTEL_SDK_DISABLED is true\n');
      }));

    it(`variables that make no sense are said by their names, without what they hold, and the program runs (Node ${major})`, async () => {
      const cases = [
        [{ PRONGHORN_EXPORTERS: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", and pronghorn speaks http\/protobuf only/],
        [{ PRONGHORN_EXPORTERS: 'parca', PRONGHORN_PARCA_URL: `me:${SECRET}@host` }, /PRONGHORN_PARCA_URL must be an http: or https: URL; it is "\(hidden\)"/],
        [{ PRONGHORN_EXPORTERS: 'parca', PRONGHORN_PARCA_TOKN: SECRET }, /unknown variable PRONGHORN_PARCA_TOKN; did you mean PRONGHORN_PARCA_TOKEN\?/],
        [{ PRONGHORN_EXPORTERS: 'pyroscope', PRONGHORN_PERIOD_MS: '10' }, /PRONGHORN_PERIOD_MS must be an integer from 1,000 to 3,600,000; it is 10/],
      ];
      for (const [env, message] of cases) {
        const folder = scratch();
        const app = join(folder, 'app.mjs');
        writeFileSync(app, 'console.log(1)');
        const { code, stdout, stderr } = await launch(nodePath(major), ['--import', join(root, 'dist/register.js'), app], { env }).done;
        assert.deepEqual([code, stdout], [0, '1\n']);
        assert.match(stderr, message);
        assert.match(stderr, /^pronghorn: not profiling this program: /);
        assert.ok(!stderr.includes(SECRET), stderr);
      }
    });

    it(`pronghorn run takes flags for what is no secret, and names the files (Node ${major})`, async () => {
      const { code, stdout, stderr, files, profiles } = await program(major, "setTimeout(hot, 1_500, 100); console.log('out');", {}, { flags: ['--exporters', 'file', '--period-ms', '1000', '--service', 'x'] });
      assert.deepEqual([code, stdout], [0, 'out\n'], stderr);
      assert.ok(files.length >= 2 && files.every((name) => exported.test(name)), files.join());
      assert.ok(profiles.some(isHot));
      const named = [...stderr.matchAll(/^pronghorn: profile written to .*\.pb\.gz$/gm)].length;
      assert.ok(named === files.length || stderr.includes(`pronghorn: ${files.length} profiles written to `), stderr);
      const refused = spawnSync(nodePath(major), [join(root, 'dist/cli.js'), 'run', '--exporters', 'datadog', '--', 'app.js'], { encoding: 'utf8' });
      assert.equal(refused.status, 2);
      assert.match(refused.stderr, /PRONGHORN_EXPORTERS must be a list of file, pyroscope/);
    });

    it(`before process.execve() the file exporter writes; other profiles become a file (Node ${major})`, async (t) => {
      const source = `if (typeof process.execve !== 'function') process.exit(9); process.execve(process.execPath, [process.execPath, '-e', '']);`;
      const own = await program(major, source, { PRONGHORN_EXPORTERS: 'file' });
      if (own.code === 9) return t.skip('no execve here');
      assert.match(own.files.join(), exported);
      assert.ok(isHot(own.profiles[0]));
      const other = await program(major, source, toServer({ url: `http://127.0.0.1:${await freePort()}` }));
      assert.match(other.files.join(), plain);
      assert.match(other.stderr, /^pronghorn: process\.execve\(\) leaves no time to send the last profile; it is in /m);
      return undefined;
    });

    it(`a certificate that nobody vouches for is refused, with the reason, and one that somebody does is taken (Node ${major})`, async () => {
      const certificate = selfSigned(scratch());
      const server = await startHttps(certificate);
      try {
        const env = toServer(server, { PRONGHORN_STOP_TIMEOUT_MS: '1000' });
        const refused = await program(major, '', env);
        assert.match(refused.stderr, /a profile for http (?:has to wait|was not sent in time): https:\/\/127\.0\.0\.1:\d+\/ cannot be reached: self[- ]signed certificate/);
        assert.deepEqual([server.requests.length, refused.files.length], [0, 1]);
        const takes = async (more) => {
          const { code, stderr } = await program(major, '', { ...env, PRONGHORN_STOP_TIMEOUT_MS: '20000', ...more });
          assert.deepEqual([code, stderr, server.requests.length], [0, '', 1]);
          return server.requests.pop();
        };
        for (const name of ['NODE_EXTRA_CA_CERTS', 'PRONGHORN_HTTP_CA_FILE']) assert.ok(isHot(readProfile((await takes({ [name]: certificate.certFile })).body)), name);
        const otlp = { PRONGHORN_EXPORTERS: 'otlp', PRONGHORN_HTTP_URL: undefined, PRONGHORN_HTTP_HEADERS: undefined, OTEL_EXPORTER_OTLP_ENDPOINT: server.url };
        assert.equal((await takes({ ...otlp, OTEL_EXPORTER_OTLP_CERTIFICATE: certificate.certFile })).path, '/v1development/profiles');
        // That of profiles wins.
        await takes({ ...otlp, OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere', OTEL_EXPORTER_OTLP_PROFILES_CERTIFICATE: certificate.certFile });
        const unreadable = await program(major, 'console.log(1)', { ...env, ...otlp, OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere' });
        assert.deepEqual([unreadable.code, unreadable.stdout], [0, '1\n']);
        assert.match(unreadable.stderr, /^pronghorn: not profiling this program: OTEL_EXPORTER_OTLP_CERTIFICATE must be a file with a certificate in PEM; \/nowhere is not: ENOENT/);
      } finally {
        server.stop();
      }
    });

    it(`a server that asks for a certificate gets it, and refuses those who have none (Node ${major})`, async () => {
      const folder = scratch();
      const [own, client] = [selfSigned(folder, 'server'), selfSigned(folder, 'client')];
      const server = await startHttps(own, { clientCa: client.certFile });
      try {
        const env = { PRONGHORN_EXPORTERS: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: server.url, OTEL_EXPORTER_OTLP_CERTIFICATE: own.certFile, PRONGHORN_STOP_TIMEOUT_MS: '1000' };
        const without = await program(major, '', env);
        assert.match(without.stderr, /a profile for otlp (?:has to wait|was not sent in time)/);
        const shown = { OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: client.certFile, OTEL_EXPORTER_OTLP_CLIENT_KEY: client.keyFile, PRONGHORN_STOP_TIMEOUT_MS: '20000' };
        const taken = await program(major, '', { ...env, ...shown });
        assert.deepEqual([taken.code, taken.stderr, server.requests.map((one) => one.client)], [0, '', ['client']]);
        const other = { PRONGHORN_EXPORTERS: 'http', PRONGHORN_HTTP_URL: server.url, PRONGHORN_HTTP_CA_FILE: own.certFile, PRONGHORN_HTTP_CLIENT_CERTIFICATE_FILE: client.certFile };
        const keyless = await program(major, '', other);
        assert.match(keyless.stderr, /: PRONGHORN_HTTP_CLIENT_KEY_FILE must be set where PRONGHORN_HTTP_CLIENT_CERTIFICATE_FILE is/);
        assert.equal((await program(major, '', { ...other, PRONGHORN_HTTP_CLIENT_KEY_FILE: client.keyFile, PRONGHORN_STOP_TIMEOUT_MS: '20000' })).stderr, '');
        assert.deepEqual(server.requests.map((one) => one.client), ['client', 'client']);
      } finally {
        server.stop();
      }
    });
  });
}
