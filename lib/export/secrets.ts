/**
 * What a server says may repeat what it was sent: its words are shown without our secrets.
 */

/** Shorter ones are no secrets, and would be found everywhere; a text with one in it is not shown at all. */
const SHORTEST = 4;
/** Most of a server's words that a message shows. */
const SHOWN_CHARACTERS = 200;

/** Secrets as they were given, and as they appear in requests. */
export class Secrets {
  /** The longest first: one may be a part of another. */
  readonly #all: readonly string[];

  constructor(secrets: readonly (string | undefined)[]) {
    const given = secrets.filter((secret): secret is string => secret !== undefined && secret !== '');
    const forms = given.flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('base64')]);
    this.#all = [...new Set(forms)].sort((a, b) => b.length - a.length);
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

function withoutBeginning(text: string, secret: string): string {
  for (let length = Math.min(secret.length - 1, text.length); length >= SHORTEST; length--) {
    if (text.endsWith(secret.slice(0, length))) return text.slice(0, -length);
  }
  return text;
}
