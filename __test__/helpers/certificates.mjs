// Certificates that vouch for themselves, and https servers on loopback that show them. Made by openssl at each run: a fixture would expire one day.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';

/** Paths of a new key and of its certificate, which is valid for 127.0.0.1 and localhost. */
export function selfSigned(folder, name = 'server') {
  const [keyFile, certFile] = ['key', 'cert'].map((kind) => join(folder, `${name}-${kind}.pem`));
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-keyout', keyFile, '-out', certFile];
  const { status, stderr, error } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl: ${error ?? stderr}`);
  return { keyFile, certFile };
}

/**
 * An https server that takes everything.
 *
 * @param clientCa path of the certificate that clients have to show, if they have to
 * @returns its `url`, the `requests` with `body`, `path`, and the name of the client's certificate, and `stop()`
 */
export async function startHttps({ keyFile, certFile }, { clientCa } = {}) {
  const requests = [];
  const client = clientCa === undefined ? {} : { ca: readFileSync(clientCa), requestCert: true, rejectUnauthorized: true };
  const server = createServer({ key: readFileSync(keyFile), cert: readFileSync(certFile), ...client }, (request, response) => {
    const chunks = [];
    const subject = request.socket.getPeerCertificate?.()?.subject?.CN;
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      requests.push({ path: request.url, body: Buffer.concat(chunks), client: subject });
      response.end();
    });
  });
  server.on('tlsClientError', () => {});
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => (server.close(), server.closeAllConnections());
  return { url: `https://127.0.0.1:${server.address().port}`, requests, stop };
}
