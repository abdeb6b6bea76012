/**
 * An HTTP server that takes profiles: where it is, how to show who one is, and what its answers mean.
 */
import { ExportError, type Report, type Sent } from './exporter.js';
import { mayRetry, retryAfterMs } from './retry.js';
import { type Answer, shown, upload } from './upload.js';

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
}

/** One request, as far as an exporter decides about it. */
export interface Request {
  readonly method?: 'POST' | 'PUT';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Sends requests to one server. */
export class HttpTarget {
  readonly #name: string;
  readonly #settings: HttpSettings;
  readonly #mayRetry: (status: number) => boolean;

  /** @param retry which answers are worth another attempt; by default 429 and all from 500 on */
  constructor(name: string, settings: HttpSettings, retry = mayRetry) {
    this.#name = name;
    this.#settings = settings;
    this.#mayRetry = retry;
  }

  /** A URL below the server's own: its path and query stay. */
  url(path: string, query: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(this.#settings.url);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    return url;
  }

  /**
   * One attempt.
   *
   * @throws ExportError
   */
  async send({ method = 'POST', url, headers, body }: Request, signal: AbortSignal): Promise<Sent> {
    const answer = await upload({ url, method, headers: { ...headers, ...this.#credentials() }, body, timeoutMs: this.#settings.timeoutMs, signal });
    if (answer.status >= 200 && answer.status < 300) return { bytes: body.length, status: answer.status };
    throw this.#refused(url, answer, body.length);
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

  #refused(url: URL, { status, retryAfter, text }: Answer, bytes: number): ExportError {
    const why = text === '' ? '' : `: ${this.#withoutSecrets(text)}`;
    const size = status === 413 ? ` to a body of ${bytes} bytes` : '';
    const retry = this.#mayRetry(status);
    return new ExportError(`${this.#name}: ${shown(url)} answered ${status}${size}${why}`, { status, retry, retryAfterMs: retryAfterMs(retryAfter, Date.now()) });
  }

  /** A server may show what it was sent. */
  #withoutSecrets(text: string): string {
    const { headers, basicAuth, bearerToken } = this.#settings;
    const secrets = [...Object.values(headers), bearerToken, basicAuth?.password, basicAuth === undefined ? undefined : encodeBasic(basicAuth)];
    return secrets.reduce<string>((left, secret) => (secret === undefined || secret.length < 4 ? left : left.replaceAll(secret, '***')), text);
  }
}

function encodeBasic({ user, password }: { user: string; password: string }): string {
  return Buffer.from(`${user}:${password}`).toString('base64');
}

/** A moment in whole seconds since the epoch. */
export function unixSeconds(nanos: bigint): string {
  return String(nanos / 1_000_000_000n);
}

/** Labels that every profile of a process carries to its server: the caller's, and which process it is. */
export function seriesLabels({ labels, profile }: Report): Record<string, string> {
  return { process_id: String(profile.processId), runtime_id: profile.runtimeId, ...labels };
}
