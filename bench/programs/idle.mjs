// A server that nobody calls. It says so when it waits, and the runner looks at it from outside.
import { createServer } from 'node:http';
import { importContender } from '../contenders/index.mjs';
import { settings } from './process.mjs';

const profiler = await (await importContender(settings.contender)).load();
profiler.start(10_000);
createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1', () => console.log('waiting'));
