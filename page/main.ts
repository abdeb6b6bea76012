/**
 * The page that `pronghorn flame` writes begins here.
 */
import { readDocument } from './document.js';
import { make } from './tooltip.js';
import { Viewer } from './viewer.js';

async function main(): Promise<void> {
  const data = document.querySelector('#profile-data')!;
  const profile = await readDocument(data.textContent ?? '');
  // The text is no longer needed, and may be large.
  data.remove();
  Viewer.show(profile);
  document.documentElement.dataset['ready'] = 'true';
  performance.mark('pronghorn-drawn');
}

main().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  document.body.prepend(make('p', `The profile in this page cannot be shown (${reason}). It needs a browser of 2024 or later.`, 'noscript'));
  console.error(error);
});
