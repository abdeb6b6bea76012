/**
 * An HTTP server that takes profiles: where it is, how to show who one is, and what its answers mean.
 */
import type { SecureContext } from 'node:tls';
import { realPid } from '../real-pid.js';
import { ExportError, type Sent } from './exporter.js';
import { mayRetry, retryAfterMs } from './retry.js';
import { Secrets, secretsOfHeader, secretsOfQuery, secretsOfUser } from './secrets.js';
import { nextTurn } from './slices.js';
import { type Answer, moduleFor, shown, upload } from './upload.js';

/** How a server is reached. What HTTP exporters have in common. */
export interface HttpSettings {
  readonly url: URL;
  /** Further headers, the caller's. */
  readonly headers: Readonly<Record<string, string>>;
  /** For one attempt, in milliseconds. */
  readonly timeoutMs: number;
  readonly basicAuth?: { readonly user: string; readonly password: string } | undefined;
  readonly bearerToken?: string | undefined;
  /** The tenant, as `X-Scope-OrgID`. */
  readonly tenant?: string | undefined;
  /** Certificates, if others than those that Node has by itself. https: only. */
  readonly secureContext?: SecureContext | undefined;
}

/** One request, as far as an exporter decides about it. */
export interface Request {
  readonly method?: 'POST' | 'PUT';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: readonly Uint8Array[];
}

/** How a protocol reads answers. */
export interface Protocol {
  /** Which refusals are worth another attempt. By default 429 and all from 500 on. */
  mayRetry?(status: number): boolean;
  /** Why an answer that accepts the request does not accept all of it. */
  rejection?(body: Buffer, isCut: boolean): string | undefined;
}

/** Sends requests to one server. */
export class HttpTarget {
  readonly #name: string;
  readonly #settings: HttpSettings;
  readonly #protocol: Protocol;
  readonly #secrets: Secrets;

  /** @param name what messages call the exporter */
  constructor(name: string, settings: HttpSettings, protocol: Protocol = {}) {
    const { url, headers, basicAuth, bearerToken } = settings;
    // Now, at the start, and not in the middle of the program's work.
    moduleFor(url);
    this.#name = name;
    this.#settings = settings;
    this.#protocol = protocol;
    const basic = basicAuth === undefined ? undefined : encodeBasic(basicAuth);
    const ofUser = basicAuth === undefined ? [] : [...secretsOfUser(basicAuth.user), basicAuth.password, `${basicAuth.user}:${basicAuth.password}`, basic];
    this.#secrets = new Secrets([...Object.values(headers).flatMap(secretsOfHeader), ...secretsOfQuery(url), bearerToken, ...ofUser]);
  }

  /** A URL below the server's own: its path and query stay. */
  url(path: string, query: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(this.#settings.url);
    if (path !== '') url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    return url;
  }

  /**
   * One attempt.
   *
   * @throws ExportError
   */
  async send({ method = 'POST', url, headers, body }: Request, signal: AbortSignal): Promise<Sent> {
    const { timeoutMs, secureContext } = this.#settings;
    // What is to be sent has been prepared in this turn; connecting takes as long again (bench/details/uploads.mjs).
    await nextTurn(realPid());
    const bytes = body.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const answer = await upload({ url, method, headers: { ...headers, ...this.#credentials() }, body, timeoutMs, signal, secureContext });
    if (answer.status < 200 || answer.status >= 300) throw this.#refused(url, answer, bytes);
    const rejection = this.#protocol.rejection?.(answer.body, answer.isCut);
    if (rejection === undefined) return { bytes, status: answer.status };
    const why = this.#secrets.hideIn(rejection);
    throw new ExportError(`${this.#name}: ${shown(url)} has not taken all of it: ${why}`, { status: answer.status, retry: false, bytes });
  }

  #credentials(): Record<string, string> {
    const { headers, basicAuth, bearerToken, tenant } = this.#settings;
    return {
      ...(basicAuth === undefined ? {} : { Authorization: `Basic ${encodeBasic(basicAuth)}` }),
      ...(bearerToken === undefined ? {} : { Authorization: `Bearer ${bearerToken}` }),
      ...(tenant === undefined ? {} : { 'X-Scope-OrgID': tenant }),
      ...headers,
    };
  }

  #refused(url: URL, { status, retryAfter, body }: Answer, bytes: number): ExportError {
    const text = this.#secrets.hideIn(body.toString());
    const why = text === '' ? '' : `: ${text}`;
    const retry = (this.#protocol.mayRetry ?? mayRetry)(status);
    const message = `${this.#name}: ${shown(url)} answered ${status} to a body of ${bytes} bytes${why}`;
    return new ExportError(message, { status, retry, bytes, retryAfterMs: retryAfterMs(retryAfter, Date.now()) });
  }
}

function encodeBasic({ user, password }: { user: string; password: string }): string {
  return Buffer.from(`${user}:${password}`).toString('base64');
}

/** A moment in whole seconds since the epoch. */
export function unixSeconds(nanos: bigint): string {
  return String(nanos / 1_000_000_000n);
}
