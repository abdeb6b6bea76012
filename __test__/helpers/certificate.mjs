// A certificate for 127.0.0.1 that nobody vouches for, unless NODE_EXTRA_CA_CERTS names it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from './scratch.mjs';

/** Makes it: `key` and `cert` as text, and the `path` of the certificate. */
export function makeCertificate() {
  const folder = scratch();
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  return { key: readFileSync(key), cert: readFileSync(cert), path: cert };
}
