/**
 * Checks how a server is to be reached.
 */
import { InvalidOptionError } from '../errors.js';
import { CERTIFICATE_NAMES, type CertificateFiles, secureContext } from './certificates.js';
import { headers, headerText, HIDDEN, HOUR_MS, integer, record, required, secret, text } from './check.js';
import type { HttpSettings } from './target.js';

const NAMES: readonly string[] = ['type', 'url', 'timeoutMs', 'headers', 'basicAuth', 'bearerToken', 'tenant', ...Object.keys(CERTIFICATE_NAMES)];

/**
 * The settings of an exporter that talks to a server.
 *
 * @param path how errors call the object
 * @param extra properties that its caller checks
 * @throws InvalidOptionError
 */
export function serverOf(path: string, given: unknown, extra: readonly string[] = []): HttpSettings {
  const { url, timeoutMs, headers: further, basicAuth, bearerToken, tenant, ...files } = record(path, given, [...NAMES, ...extra]);
  const parsed = urlOf(`${path}.url`, url);
  const basic = basicOf(`${path}.basicAuth`, basicAuth) ?? userOf(`${path}.url`, parsed);
  const token = secret(`${path}.bearerToken`, bearerToken);
  if (basic !== undefined && token !== undefined) throw new InvalidOptionError(`${path}.bearerToken`, HIDDEN, 'absent where there is a user and a password');
  const callers = headers(`${path}.headers`, further);
  const own = Object.keys(callers).find((name) => name.toLowerCase() === 'authorization');
  if (own !== undefined && (basic !== undefined || token !== undefined)) {
    throw new InvalidOptionError(`${path}.headers.${own}`, HIDDEN, 'absent where there is a bearerToken, or a user and a password');
  }
  parsed.username = '';
  parsed.password = '';
  parsed.hash = '';
  return {
    url: parsed,
    timeoutMs: integer(`${path}.timeoutMs`, timeoutMs, 1, HOUR_MS, 10_000),
    headers: callers,
    basicAuth: basic,
    bearerToken: token,
    tenant: headerText(`${path}.tenant`, text(`${path}.tenant`, tenant, HIDDEN)),
    secureContext: secureContext(certificatesOf(path, files, parsed), (name) => `${path}.${name}`),
  };
}

function certificatesOf(path: string, given: Record<string, unknown>, { protocol }: URL): CertificateFiles {
  const names = Object.keys(CERTIFICATE_NAMES) as (keyof CertificateFiles)[];
  const files = Object.fromEntries(names.map((name) => [name, text(`${path}.${name}`, given[name])])) as CertificateFiles;
  const idle = names.find((name) => files[name] !== undefined && protocol !== 'https:');
  if (idle !== undefined) throw new InvalidOptionError(`${path}.${idle}`, files[idle], 'absent where the URL is not an https: one');
  return files;
}

function urlOf(path: string, value: unknown): URL {
  const allowed = 'an http: or https: URL';
  // Not shown: there may be a password in it.
  if (!(value instanceof URL) && (typeof value !== 'string' || !URL.canParse(value))) throw new InvalidOptionError(path, value === undefined || typeof value === 'object' ? value : HIDDEN, allowed);
  const url = new URL(value);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new InvalidOptionError(path, HIDDEN, allowed);
  return url;
}

function userOf(path: string, { username, password }: URL): { user: string; password: string } | undefined {
  try {
    return username === '' && password === '' ? undefined : { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    throw new InvalidOptionError(path, HIDDEN, 'a URL whose user and password are percent-encoded');
  }
}

function basicOf(path: string, value: unknown): { user: string; password: string } | undefined {
  if (value === undefined) return undefined;
  const { user, password } = record(path, value, ['user', 'password']);
  const name = required(`${path}.user`, text(`${path}.user`, user, HIDDEN), 'a string');
  if (name.includes(':')) throw new InvalidOptionError(`${path}.user`, HIDDEN, 'a string without a colon');
  return { user: name, password: required(`${path}.password`, secret(`${path}.password`, password), 'a string') };
}
