// An HTTP server. GET /work computes for a millisecond, GET /stop ends and reports.
import { createServer } from 'node:http';
import { burn, fixture, keep, report, say, settings, startOptions } from '../helpers/scenario.mjs';

const profiler = settings.profile === false ? undefined : await (await import('pronghorn')).start(startOptions());

function handle(request, response) {
  if (request.url === '/work') burn(1);
  if (request.url === '/stats') return response.end(JSON.stringify(profiler?.stats() ?? null));
  response.end('ok');
  if (request.url === '/stop') finish();
}

async function finish() {
  server.close();
  server.closeAllConnections();
  const profile = await profiler?.stop();
  report({ threadId: fixture.threadId(), profile: profile && keep(profile, 'profile') });
}

const server = createServer(handle).listen(0, '127.0.0.1', () => say(`PORT ${server.address().port}`));
