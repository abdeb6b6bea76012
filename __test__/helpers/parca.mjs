// A real Parca: profiles go in through its JSON API as a client would push them, and come back through its query API.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, request, startServer } from './servers.mjs';

/** The selector of a profile type in Parca's query language: a profile that lasts, of one sample type. */
export const selector = (type, { name = 'pronghorn', unit = 'nanoseconds', labels = {} } = {}) => {
  const matchers = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return `${name}:${type}:${unit}:cpu:nanoseconds:delta{${matchers.join(', ')}}`;
};

/**
 * Starts Parca with an empty store in memory.
 *
 * The server has `writeRaw(labels, pprof)`, `types()`, `labelNames()`, `labelValues(name)`, `top(selector)` and `stop()`. `post(path, body)` and `get(path,
 * parameters)` reach the rest of its API.
 */
export async function startParca() {
  // It asks a symbol server on the internet for what it has no names for: here one that nobody answers at.
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const configure = (port, folder) => {
    const config = join(folder, 'parca.json');
    // JSON is YAML, too.
    writeFileSync(config, JSON.stringify({ object_storage: { bucket: { type: 'FILESYSTEM', config: { directory: join(folder, 'bucket') } } } }));
    return [
      `--http-address=127.0.0.1:${port}`,
      `--config-path=${config}`,
      `--storage-path=${join(folder, 'data')}`,
      `--debuginfo-cache-dir=${join(folder, 'debuginfo')}`,
      `--debuginfod-upstream-servers=${nobody}`,
      `--profile-share-server=${nobody.slice('http://'.length)}`,
      '--log-level=warn',
    ];
  };
  const server = await startServer('parca', configure, { path: '/api/profiles/types', statuses: [200] });

  const get = async (path, parameters = {}) => {
    const answer = await request(`${server.url}/api/profiles/${path}?${new URLSearchParams(parameters)}`);
    if (answer.status !== 200) throw new Error(`Parca answered ${answer.status} to ${path}: ${answer.text}`);
    return answer.json();
  };
  const post = (path, body, headers = {}) =>
    request(`${server.url}/api/profiles/${path}`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
  /** All that a test can have pushed. */
  const times = (prefix = '') => ({
    [`${prefix}start`]: new Date(Date.now() - 3_600_000).toISOString(),
    [`${prefix}end`]: new Date(Date.now() + 60_000).toISOString(),
  });

  return {
    ...server,
    get,
    post,
    /** Pushes one pprof as one series; answers `{ status, text }`. */
    writeRaw(labels, pprof) {
      const pairs = Object.entries(labels).map(([name, value]) => ({ name, value }));
      return post('writeraw', { series: [{ labels: { labels: pairs }, samples: [{ rawProfile: Buffer.from(pprof).toString('base64') }] }] });
    },
    /** The profile types it holds, as selectors without labels. */
    async types() {
      const { types = [] } = await get('types');
      return types.map(({ name, sampleType, sampleUnit, periodType, periodUnit, delta }) =>
        [name, sampleType, sampleUnit, periodType, periodUnit, ...(delta ? ['delta'] : [])].join(':'),
      );
    },
    labelNames: async () => (await get('labels', times())).labelNames ?? [],
    labelValues: async (name) => (await get(`labels/${encodeURIComponent(name)}/values`, times())).labelValues ?? [],
    /** All profiles of a selector merged: `{ total, functions: [{ name, file, flat, cumulative }] }`. */
    async top(query) {
      const report = await get('query', { mode: 'MODE_MERGE', 'merge.query': query, ...times('merge.'), report_type: 'REPORT_TYPE_TOP' });
      const functions = (report.top?.list ?? []).map(({ meta, flat, cumulative }) => ({
        name: meta?.function?.name ?? '',
        file: meta?.function?.filename ?? '',
        flat: Number(flat ?? 0),
        cumulative: Number(cumulative ?? 0),
      }));
      return { total: Number(report.total ?? 0), functions };
    },
  };
}
