// The load of workloads/server.mjs, in a process of its own: node load-generator.mjs '{"url":…,"amount":…}' or '{"url":…,"rate":…,"seconds":…}'. Prints JSON.
import autocannon from 'autocannon';

const { url, amount, rate, seconds } = JSON.parse(process.argv[2]);
const CONNECTIONS = 10;
const result = await autocannon({ url, connections: CONNECTIONS, ...(amount === undefined ? { overallRate: rate, duration: seconds } : { amount }) });
const { p50, p99, p99_9: p999, max } = result.latency;
console.log(JSON.stringify({ requests: result.requests.total, failed: result.errors + result.non2xx, latencies: { p50, p99, p999, max } }));
