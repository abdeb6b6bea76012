/**
 * What a server says may repeat what it was sent: its words are shown without our secrets.
 */

/** Shorter ones are no secrets, and would be found everywhere; a text with one in it is not shown at all. */
const SHORTEST = 4;
/** A part of a header that is as long as this is taken for a secret. */
const LONG = 12;
/** Most of a server's words that a message shows. */
const SHOWN_CHARACTERS = 200;

/** Secrets as they were given, and as they appear in requests. */
export class Secrets {
  /** The longest first: one may be a part of another. */
  readonly #all: readonly string[];

  constructor(secrets: readonly (string | undefined)[]) {
    const given = secrets.filter((secret): secret is string => secret !== undefined && secret !== '');
    this.#all = [...new Set(given.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  }

  /** A server's words in one printable line: shortened, and without secrets. Of what was cut off at the end nothing that could be the beginning of one is left. */
  hideIn(words: string): string {
    let text = words;
    for (const secret of this.#all) {
      if (secret.length >= SHORTEST) text = withoutBeginning(text.replaceAll(secret, '***'), secret);
      else if (text.includes(secret)) return '';
    }
    return text.replace(/[\p{C}\s]+/gu, ' ').trim().slice(0, SHOWN_CHARACTERS);
  }
}

/** As it may be repeated: in a URL, a form, JSON or base64, with percent codes of either case. */
function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const encoded = [encodeURIComponent(secret), new URLSearchParams([['', secret]]).toString().slice(1)];
  const lowerCase = encoded.map((text) => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()));
  return [secret, json, ...encoded, ...lowerCase, Buffer.from(secret).toString('base64')];
}

/**
 * What is secret in a header that the caller has given: all of it, what follows the scheme in `Authorization: Bearer …`, the user and the password in `Basic …`, and
 * each longer part of a list.
 */
export function secretsOfHeader(value: string): string[] {
  const [, scheme = '', credentials = ''] = /^\s*(\S+)\s+(.+?)\s*$/.exec(value) ?? [];
  const decoded = /^basic$/i.test(scheme) ? Buffer.from(credentials, 'base64').toString() : '';
  const [user = '', password = ''] = decoded === '' ? [] : [decoded.slice(0, decoded.indexOf(':')), decoded.slice(decoded.indexOf(':') + 1)];
  // Names of parameters, as in Digest, are none, but short.
  const parts = value.split(/[\s;,="]+/).filter((part) => part.length >= LONG);
  return [value.trim(), credentials, decoded, ...secretsOfUser(user), password, ...parts];
}

/** A user is one only if it is long enough not to be found everywhere. */
export function secretsOfUser(user: string): string[] {
  return user.length >= SHORTEST ? [user] : [];
}

/** What is secret in a URL's query: values, also as they stand there. */
export function secretsOfQuery({ search, searchParams }: URL): string[] {
  const raw = search.slice(1).split('&').map((pair) => pair.slice(pair.indexOf('=') + 1));
  return [...searchParams.values(), ...raw];
}

function withoutBeginning(text: string, secret: string): string {
  for (let length = Math.min(secret.length - 1, text.length); length >= SHORTEST; length--) {
    if (text.endsWith(secret.slice(0, length))) return text.slice(0, -length);
  }
  return text;
}
