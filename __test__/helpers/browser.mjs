// Debian's chromium (scripts/install-chromium.mjs), with pages that report whatever they should not do.
import { execFileSync } from 'node:child_process';
import { chromium } from 'playwright-core';

/** Longest that anything in a page may take; the machine may be busy. */
export const DEADLINE_MS = 60_000;

/** Starts a browser. The caller closes it. */
export function launchBrowser() {
  let executablePath;
  try {
    executablePath = execFileSync('sh', ['-c', 'command -v chromium']).toString().trim();
  } catch {
    throw new Error('there is no chromium: run "node scripts/install-chromium.mjs"');
  }
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'], timeout: DEADLINE_MS });
}

/**
 * Opens a file or an address and waits until the profile is drawn.
 *
 * Output: the page, with `troubles`: each message on its console, each exception, each violation of its policy, and each request that it made
 * besides the one for itself.
 */
export async function openPage(browser, url, { width = 1280, height = 800, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.troubles = [];
  page.on('console', (message) => page.troubles.push(`console ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => page.troubles.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => {
    page.troubles.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) page.troubles.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  await page.waitForSelector('html[data-ready="true"]', { timeout: DEADLINE_MS });
  return page;
}

/** The frames that are drawn: `{ key, name, left, width, level, fill, match, dim }`, from the outermost. */
export function frames(page) {
  return page.evaluate(async () => {
    // Places are set by transitions, even by those that take no time.
    await new Promise((resolve) => setTimeout(resolve, 100));
    return [...document.querySelectorAll('g.frame')].map((group) => {
      const rect = group.querySelector('rect');
      return {
        key: group.id,
        name: group.getAttribute('name'),
        spoken: group.getAttribute('aria-label'),
        level: Number(group.getAttribute('aria-level')),
        left: group.transform.baseVal.consolidate()?.matrix.e ?? 0,
        width: rect.width.baseVal.value,
        fill: rect.getAttribute('fill'),
        match: group.hasAttribute('data-match'),
        dim: group.hasAttribute('data-dim'),
        fade: group.classList.contains('fade'),
      };
    });
  });
}

/** The rows of the table: `{ self, total, name, place }` as they are shown. */
export function rows(page) {
  return page.evaluate(() => {
    return [...document.querySelectorAll('#functions tbody tr')].map((row) => {
      const text = (selector) => row.querySelector(selector)?.textContent ?? '';
      return { self: text('td:nth-child(1) span'), total: text('td:nth-child(2) span'), name: text('.name'), place: text('.place'), selected: row.getAttribute('aria-selected') === 'true' };
    });
  });
}

/** The tooltip: its title, and its lines by their labels; nothing while it is hidden. */
export function tooltip(page) {
  return page.evaluate(() => {
    const box = document.querySelector('#tooltip');
    if (box.hidden) return undefined;
    const labels = [...box.querySelectorAll('dt')].map((each) => each.textContent);
    const texts = [...box.querySelectorAll('dd')].map((each) => each.textContent);
    return {
      name: box.querySelector('strong').textContent,
      place: box.querySelector('.place')?.textContent,
      kind: box.querySelector('.kind')?.textContent,
      lines: Object.fromEntries(labels.map((label, index) => [label, texts[index]])),
    };
  });
}
