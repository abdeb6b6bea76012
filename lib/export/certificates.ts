/**
 * Certificates for https: which authorities vouch for a server, and by what the client shows who it is. They are files in PEM, read once, at the start:
 * then whoever has named a wrong one can still be told.
 */
import type tls from 'node:tls';
import { InvalidOptionError } from '../errors.js';

/** Paths of the files. */
export interface CertificateFiles {
  /** Authorities, in the place of those that Node trusts by itself. */
  readonly caFile?: string | undefined;
  readonly clientCertificateFile?: string | undefined;
  /** The private key of that. */
  readonly clientKeyFile?: string | undefined;
}

/** Their names as options, and as variables behind OTEL_EXPORTER_OTLP_ or OTEL_EXPORTER_OTLP_PROFILES_. */
export const CERTIFICATE_NAMES = { caFile: 'CERTIFICATE', clientCertificateFile: 'CLIENT_CERTIFICATE', clientKeyFile: 'CLIENT_KEY' } as const;

/** How errors call each of them. */
export type Named = (name: keyof CertificateFiles) => string;

/**
 * Reads the files and makes of them what a connection needs.
 *
 * @returns undefined if there are none
 * @throws InvalidOptionError for a file that cannot be read or holds something else, a certificate without its key, and two that do not belong together
 */
export function secureContext(files: CertificateFiles, named: Named): tls.SecureContext | undefined {
  const ca = pem('caFile', files, named);
  const cert = pem('clientCertificateFile', files, named);
  const key = pem('clientKeyFile', files, named);
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) {
    const [missing, there] = cert === undefined ? (['clientCertificateFile', 'clientKeyFile'] as const) : (['clientKeyFile', 'clientCertificateFile'] as const);
    throw new InvalidOptionError(named(missing), undefined, `set where ${named(there)} is`);
  }
  try {
    // Not imported: most programs send nothing over https.
    const { createSecureContext } = process.getBuiltinModule('node:tls');
    return createSecureContext({ ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) });
  } catch (error) {
    // Each certificate has been read by itself.
    throw wrong('clientKeyFile', files, named, 'the key of the client certificate, not encrypted', error);
  }
}

function pem(name: keyof CertificateFiles, files: CertificateFiles, named: Named): string | undefined {
  const path = files[name];
  if (path === undefined) return undefined;
  const kind = name === 'clientKeyFile' ? 'PRIVATE KEY' : 'CERTIFICATE';
  const allowed = `a file with a ${kind.toLowerCase()} in PEM`;
  let text: string;
  try {
    text = process.getBuiltinModule('node:fs').readFileSync(path, 'utf8');
  } catch (error) {
    throw wrong(name, files, named, allowed, error);
  }
  const parts = text.match(new RegExp(`-----BEGIN [A-Z0-9 ]*${kind}-----[^]*?-----END [A-Z0-9 ]*${kind}-----`, 'g'));
  if (parts === null) throw wrong(name, files, named, allowed, new Error('it holds none'));
  try {
    // TLS passes over an authority that it cannot read without a word.
    const { X509Certificate } = process.getBuiltinModule('node:crypto');
    if (name !== 'clientKeyFile') parts.forEach((part) => void new X509Certificate(part));
    return text;
  } catch (error) {
    throw wrong(name, files, named, allowed, error);
  }
}

/** Says where the file is, which is no secret, and why it will not do. */
function wrong(name: keyof CertificateFiles, files: CertificateFiles, named: Named, allowed: string, cause: unknown): InvalidOptionError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InvalidOptionError(named(name), files[name], allowed, `${named(name)} must be ${allowed}; ${files[name]} is not: ${reason}`);
}
