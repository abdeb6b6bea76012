// The load of workloads/server.mjs, in a process of its own: node load-generator.mjs '{"url":…,"amount":…}' or '{"url":…,"rate":…,"seconds":…}'. Prints JSON.
//
// As much as there can be comes from autocannon. At a fixed rate its connections each send what is due for a second one after the other, as fast as answers come: a burst, and
// then nothing, in which whoever is paused delays one request of each connection, and none is sent that would have waited. So what is to tell latencies is sent here, when it is due, whether
// the answers before it have come or not.
import { Agent, get } from 'node:http';
import autocannon from 'autocannon';

const { url, amount, rate, seconds } = JSON.parse(process.argv[2]);
const CONNECTIONS = 10;

async function asMuchAsThereCanBe() {
  const { requests, errors, non2xx } = await autocannon({ url, connections: CONNECTIONS, amount });
  return { requests: requests.total, failed: errors + non2xx };
}

/** One request after the other, evenly; a latency is from when it was sent to the last byte of its answer, the wait for a connection included. */
function atAFixedRate() {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const latencies = [];
  const began = performance.now();
  let [sent, failed] = [0, 0];
  return new Promise((resolve) => {
    const answered = () => {
      if (latencies.length + failed < rate * seconds) return;
      latencies.sort((left, right) => left - right);
      const at = (share) => latencies[Math.max(0, Math.ceil(share * latencies.length) - 1)];
      resolve({ requests: sent, failed, latencies: { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) } });
    };
    const fail = () => {
      failed += 1;
      answered();
    };
    const send = () => {
      const at = performance.now();
      get(url, { agent }, (response) => {
        response.resume().on('end', () => {
          if (response.statusCode !== 200) return fail();
          latencies.push(performance.now() - at);
          return answered();
        });
      }).on('error', fail);
    };
    const step = () => {
      const due = Math.min(rate * seconds, Math.floor(((performance.now() - began) / 1_000) * rate));
      for (; sent < due; sent++) send();
      if (sent < rate * seconds) setTimeout(step, 1);
    };
    step();
  });
}

console.log(JSON.stringify(await (amount === undefined ? atAFixedRate() : asMuchAsThereCanBe())));
process.exit();
