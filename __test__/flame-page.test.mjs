// The page of `pronghorn flame` in a real browser: what it shows, against an independent reading of the profile, and what its reader can do.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { DEADLINE_MS, frames, launchBrowser, openPage, rows, tooltip } from './helpers/browser.mjs';
import { launch, runOk } from './helpers/child.mjs';
import { HOSTILE, hostileProfile } from './helpers/hostile-profile.mjs';
import { manySamples } from './helpers/many-samples.mjs';
import { majors, nodePath, root } from './helpers/nodes.mjs';
import { readProfile } from './helpers/pprof.mjs';
import { runScenario } from './helpers/scenarios.mjs';
import { scratch } from './helpers/scratch.mjs';
import { buildProfile } from './lib/build-profile.mjs';

const cli = join(root, 'dist/cli.js');
const out = scratch();
const ms = 1_000_000;
let browser;
let count = 0;

before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());

const save = (bytes) => {
  const file = join(out, `profile${count++}.pb.gz`);
  writeFileSync(file, bytes);
  return file;
};

/** Draws a profile and opens the page. */
async function draw(bytes, { args = [], ...options } = {}) {
  const page = join(out, `page${count++}.html`);
  await runOk(nodePath(majors[0]), [cli, 'flame', typeof bytes === 'string' ? bytes : save(bytes), ...args, '-o', page], { deadlineMs: DEADLINE_MS });
  return openPage(browser, pathToFileURL(page).href, options);
}

const named = (list, name) => list.filter((frame) => frame.name === name);
const status = (page) => page.textContent('#status');
const focusGraph = (page) => page.focus('#graph');
const active = (page) => page.evaluate(() => document.querySelector(`#${document.querySelector('#graph').getAttribute('aria-activedescendant')}`)?.getAttribute('name'));
const choose = (page, group, text) => page.click(`#${group}-switch label:has-text("${text}")`);
/** Hovers over the first frame of a name. */
const hover = (page, name) => page.locator(`g.frame[name="${name}"] rect`).first().hover();

/**
 * Self and total of each function as pprof-format reads them, by name and file.
 *
 * Output: a map from "name file" to `{ self, total }`, and `whole`.
 */
function sumsOf(bytes, value) {
  const sums = new Map();
  let whole = 0;
  for (const sample of readProfile(bytes).samples) {
    whole += sample[value];
    const keys = sample.stack.map((frame) => `${frame.name} ${frame.native ? frame.mapping?.file : frame.file}`);
    for (const key of new Set(keys)) {
      const sum = sums.get(key) ?? { self: 0, total: 0 };
      sum.total += sample[value];
      sums.set(key, sum);
    }
    sums.get(keys.at(-1)).self += sample[value];
  }
  return { sums, whole };
}

/** Every kind of code, recursion, an inlined function, and time that only passes. */
const bytes = buildProfile({
  comment: 'pronghorn test',
  periodType: ['cpu', 'nanoseconds'],
  stacks: [
    { stack: ['leaf file:///app/src/a.mjs:3', 'again /app/src/b.js:9', 'again /app/src/b.js:9', 'main /app/main.js:1'], values: [4, 40 * ms, 60 * ms] },
    { stack: [['inner /app/src/a.js:7', 'outer /app/src/a.js:2'], 'main /app/main.js:1'], values: [2, 20 * ms, 20 * ms] },
    { stack: ['clone /app/node_modules/lodash/clone.js:5', 'main /app/main.js:1'], values: [1, 12 * ms, 12 * ms] },
    { stack: ['map (builtin):0', 'main /app/main.js:1'], values: [1, 8 * ms, 8 * ms] },
    { stack: ['read node:fs:100', 'main /app/main.js:1'], values: [1, 6 * ms, 6 * ms] },
    { stack: ['0xabc@/lib/libz.so.1', 'main /app/main.js:1'], values: [1, 8 * ms, 8 * ms] },
    { stack: ['garbage /app/src/a.js:20', 'main /app/main.js:1'], values: [1, 5 * ms, 5 * ms] },
    { stack: ['(idle)'], values: [1, 1 * ms, 381 * ms] },
  ],
});

describe('the page', () => {
  let page;
  before(async () => {
    page = await draw(bytes);
  });
  beforeEach(async () => {
    // What one test has chosen is nothing to the next.
    await page.reload();
    await page.waitForSelector('html[data-ready="true"]');
  });

  it('shows every frame as wide as its value', async () => {
    const list = await frames(page);
    const { whole } = sumsOf(bytes, 'cpu');
    const [all] = list;
    assert.deepEqual([all.name, all.level], ['all', 1]);
    const width = (name, level) => list.find((frame) => frame.name === name && (level === undefined || frame.level === level)).width / all.width;
    for (const [name, value, level] of [['main', 99], ['again', 40, 3], ['again', 40, 4], ['leaf', 40], ['outer', 20], ['inner', 20], ['clone', 12], ['map', 8], ['read', 6], ['(libz.so.1+0xabc)', 8], ['(idle)', 1]]) {
      assert.ok(Math.abs(width(name, level) - (value * ms) / whole) < 0.002, `${name}: ${width(name, level)}`);
    }
    assert.equal(list.length, 13);
    // A child lies within its parent, and the widest comes first.
    const main = list.find((frame) => frame.name === 'main');
    const below = list.filter((frame) => frame.level === 3).sort((a, b) => a.left - b.left);
    assert.ok(below[0].left >= main.left - 0.5 && below.at(-1).left + below.at(-1).width <= main.left + main.width + 0.5);
    assert.equal(below[0].name, 'again');
  });

  it('has a table with the sums that an independent reader finds', async () => {
    const { sums, whole } = sumsOf(bytes, 'cpu');
    const list = await rows(page);
    assert.equal(list.length, sums.size);
    for (const [key, { self, total }] of sums) {
      const name = key.split(' ')[0] || '(libz.so.1+0xabc)';
      const row = list.find((each) => each.name === name);
      const text = (value) => (value === 0 ? '0' : `${(value / ms).toFixed(1)} ms`);
      assert.deepEqual([row.self, row.total], [text(self), text(total)], key);
    }
    assert.match(await status(page), new RegExp(`^${(whole / ms).toFixed(1)} ms of cpu$`));
  });

  it('says in a tooltip what a frame is', async () => {
    await hover(page, 'outer');
    assert.deepEqual(await tooltip(page), {
      name: 'outer',
      place: '/app/src/a.js:2',
      kind: 'Application',
      lines: { Self: '0 (0.0%)', Total: '20.00 ms (20.0%)', 'Function everywhere': '0 self, 20.00 ms total' },
    });
    await hover(page, '(libz.so.1+0xabc)');
    const native = await tooltip(page);
    assert.deepEqual([native.place, native.kind, native.lines.Self], ['/lib/libz.so.1', 'Native', '8.00 ms (8.0%)']);
    await hover(page, 'clone');
    assert.deepEqual([(await tooltip(page)).place, (await tooltip(page)).kind], ['/app/node_modules/lodash/clone.js:5', 'node_modules']);
    await page.mouse.move(5, 5);
    assert.equal(await tooltip(page), undefined);
  });

  it('tells apart whose code it is, by colours and in words', async () => {
    const list = await frames(page);
    const category = (name) => /var\(--(\w+)-\d\)/.exec(named(list, name)[0].fill)[1];
    assert.deepEqual(
      ['main', 'clone', 'read', 'map', '(libz.so.1+0xabc)', '(idle)'].map(category),
      ['app', 'dependency', 'node', 'v8', 'native', 'idle'],
    );
    const colours = await page.evaluate(() => ['main', 'clone', 'read', 'map', '(libz.so.1+0xabc)', '(idle)'].map((name) => getComputedStyle(document.querySelector(`g.frame[name="${name}"] rect`)).fill));
    assert.equal(new Set(colours).size, 6, colours.join(' '));
    const legend = await page.$$eval('#legend li', (entries) => entries.map((entry) => entry.textContent));
    assert.deepEqual(legend, ['Application65.0%', 'node_modules12.0%', 'Node.js6.0%', 'V8 built-ins8.0%', 'Native8.0%', 'Idle1.0%']);
  });

  it('switches between cpu, wall and samples', async () => {
    assert.deepEqual(await page.$$eval('#value-switch label', (labels) => labels.map((label) => label.textContent)), ['cpu', 'wall', 'samples']);
    await choose(page, 'value', 'wall');
    const { whole } = sumsOf(bytes, 'wall');
    assert.equal(await status(page), `${(whole / ms).toFixed(1)} ms of wall`);
    const list = await frames(page);
    assert.ok(Math.abs(named(list, '(idle)')[0].width / list[0].width - (381 * ms) / whole) < 0.002);
    assert.equal((await rows(page))[0].name, '(idle)');
    await page.check('#hide-idle');
    assert.equal(named(await frames(page), '(idle)').length, 0);
    assert.equal(await status(page), '119.0 ms of wall');
    await page.uncheck('#hide-idle');
    await choose(page, 'value', 'samples');
    assert.equal(await status(page), '12 of samples');
    await choose(page, 'value', 'cpu');
  });

  it('zooms by a click, and out by Escape', async () => {
    await page.locator('g.frame[name="outer"] rect').click();
    let list = await frames(page);
    assert.deepEqual(list.map((frame) => [frame.name, frame.fade]), [['all', true], ['main', true], ['outer', false], ['inner', false]]);
    for (const frame of list) assert.ok(Math.abs(frame.width - list[0].width) < 0.5);
    assert.equal(await status(page), 'Zoomed to outer: 20.00 ms, 20.0%');
    await hover(page, 'inner');
    assert.equal((await tooltip(page)).lines['Of the zoomed frame'], '100.0%');
    await page.keyboard.press('Escape');
    list = await frames(page);
    assert.equal(list.length, 13);
    assert.ok(await page.isHidden('#reset'));
    // A frame above is a way back, too.
    await page.locator('g.frame[name="inner"] rect').click();
    await page.locator('g.frame[name="all"] rect').click();
    assert.equal((await frames(page)).length, 13);
  });

  it('searches names and places, and counts each stack once', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('again');
    let list = await frames(page);
    assert.deepEqual(list.filter((frame) => frame.match).map((frame) => frame.name), ['again', 'again']);
    assert.equal(list.filter((frame) => frame.dim).length, 11);
    assert.equal(await status(page), '“again” in 1 function: 40.00 ms, 40.0% of all cpu');
    await page.fill('#search', 'SRC/A');
    list = await frames(page);
    assert.deepEqual(list.filter((frame) => frame.match).map((frame) => frame.name).sort(), ['garbage', 'inner', 'leaf', 'outer']);
    assert.match(await status(page), /in 4 functions: 65\.00 ms, 65\.0%/);
    assert.deepEqual((await rows(page)).map((row) => row.name), ['leaf', 'inner', 'garbage', 'outer']);
    await page.fill('#search', '/^(read|map)$/');
    assert.match(await status(page), /in 2 functions: 14\.00 ms, 14\.0%/);
    await page.fill('#search', '/(unfinished/');
    assert.match(await status(page), /in 0 functions: 0, 0\.0%/);
    await page.keyboard.press('Escape');
    assert.equal((await frames(page)).filter((frame) => frame.dim || frame.match).length, 0);
    assert.equal(await page.inputValue('#search'), '');
  });

  it('marks in the graph what is chosen in the table, and sorts the table', async () => {
    const names = async () => (await rows(page)).map((row) => row.name);
    assert.deepEqual((await names()).slice(0, 3), ['leaf', 'inner', 'clone']);
    await page.click('#total-header');
    assert.deepEqual((await names()).slice(0, 4), ['main', 'leaf', 'again', 'inner']);
    assert.equal(await page.getAttribute('th[data-sort="total"]', 'aria-sort'), 'descending');
    await page.click('#total-header');
    assert.equal((await names()).at(-1), 'main');
    await page.click('th[data-sort="name"] button');
    const sorted = await names();
    assert.deepEqual(sorted, [...sorted].sort());
    await page.click('#self-header');
    await page.click('#functions tr:has-text("clone")');
    assert.deepEqual((await frames(page)).filter((frame) => frame.match).map((frame) => frame.name), ['clone']);
    assert.equal(await status(page), 'clone (/app/node_modules/lodash/clone.js:5): 12.00 ms, 12.0% of all cpu');
    assert.deepEqual((await rows(page)).filter((row) => row.selected).map((row) => row.name), ['clone']);
    await page.click('#functions tr:has-text("clone")');
    assert.equal((await frames(page)).filter((frame) => frame.match || frame.dim).length, 0);
  });

  it('can be used with the keyboard alone', async () => {
    await focusGraph(page);
    assert.equal(await active(page), 'all');
    for (const [key, name] of [['ArrowDown', 'main'], ['ArrowDown', 'again'], ['ArrowRight', 'outer'], ['ArrowDown', 'inner'], ['ArrowUp', 'outer'], ['ArrowLeft', 'again'], ['ArrowLeft', 'again'], ['End', 'leaf'], ['ArrowDown', 'leaf'], ['Home', 'all'], ['ArrowUp', 'all']]) {
      await page.keyboard.press(key);
      assert.equal(await active(page), name, key);
    }
    const ring = () => page.evaluate(() => {
      const [box, frame] = [document.querySelector('.ring').getBoundingClientRect(), document.querySelector(`#${document.querySelector('#graph').getAttribute('aria-activedescendant')}`).getBoundingClientRect()];
      return Math.abs(box.left - frame.left) < 3 && Math.abs(box.top - frame.top) < 3 && Math.abs(box.width - frame.width) < 5;
    });
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    assert.ok(await ring(), 'what is focused is seen');
    assert.equal((await tooltip(page)).name, 'outer');
    await page.keyboard.press('Enter');
    assert.equal((await frames(page)).length, 4);
    assert.equal(await active(page), 'outer');
    assert.ok(await ring());
    await page.keyboard.press('Backspace');
    assert.match(await status(page), /^Zoomed to main/);
    await page.keyboard.press('Escape');
    assert.equal((await frames(page)).length, 13);
    await page.keyboard.press('?');
    assert.ok(await page.isVisible('#help'));
    await page.keyboard.press('Escape');
    assert.ok(await page.isHidden('#help'));
    // Rows of the table: one tab stop, arrows between them.
    await page.focus('#functions tbody tr[tabindex="0"]');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    assert.deepEqual((await frames(page)).filter((frame) => frame.match).map((frame) => frame.name), ['inner']);
    await page.keyboard.press('Escape');
  });

  it('says to those who hear it what others see', async () => {
    const outer = named(await frames(page), 'outer')[0];
    assert.equal(outer.spoken, 'outer, 20.00 ms, 20.0%');
    const roles = await page.evaluate(() => ({
      graph: document.querySelector('#graph').getAttribute('role'),
      frames: new Set([...document.querySelectorAll('g.frame')].map((each) => each.getAttribute('role'))).size,
      unnamed: [...document.querySelectorAll('button, input, [role], section, dialog')].filter((each) => {
        return !(each.getAttribute('aria-label') || each.getAttribute('aria-labelledby') || each.closest('label')?.textContent.trim() || each.textContent.trim() || ['presentation', 'tooltip', 'status'].includes(each.getAttribute('role')));
      }).length,
    }));
    assert.deepEqual(roles, { graph: 'tree', frames: 1, unnamed: 0 });
  });

  it('turns around: functions by what they spent themselves, below them their callers', async () => {
    await choose(page, 'view', 'Callers');
    const list = await frames(page);
    const top = list.filter((frame) => frame.level === 2).sort((a, b) => a.left - b.left);
    assert.deepEqual(top.map((frame) => frame.name), ['leaf', 'inner', 'clone', 'map', '(libz.so.1+0xabc)', 'read', 'garbage', '(idle)']);
    assert.deepEqual(list.filter((frame) => frame.left < 1).sort((a, b) => a.level - b.level).map((frame) => frame.name), ['all', 'leaf', 'again', 'again', 'main']);
    assert.ok(Math.abs(named(list, 'leaf')[0].width / list[0].width - 0.4) < 0.002);
    await page.locator('g.frame[name="leaf"] rect').click();
    assert.match(await status(page), /^Zoomed to leaf: 40\.00 ms, 40\.0%/);
    await page.keyboard.press('Escape');
    await choose(page, 'view', 'Callees');
  });

  it('keeps its reader’s theme, and follows the system without one', async () => {
    const ground = (each) => each.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground(page);
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await ground(page);
    assert.notEqual(light, dark);
    await page.click('#theme');
    assert.equal(await page.getAttribute('#theme', 'aria-label'), 'Theme: light');
    assert.equal(await ground(page), light);
    await page.click('#theme');
    await page.emulateMedia({ colorScheme: 'light' });
    assert.equal(await ground(page), dark);
    await page.reload();
    await page.waitForSelector('html[data-ready="true"]');
    assert.equal(await ground(page), dark);
    await page.click('#theme');
    await page.click('#theme');
  });

  it('fits narrow windows', async () => {
    for (const width of [800, 360]) {
      await page.setViewportSize({ width, height: 700 });
      const [all] = await frames(page);
      assert.ok(all.width > width * 0.8 && all.width <= width, `${all.width} of ${width}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing sticks out at the right');
    }
  });

  it('asked the network for nothing, and had no trouble', () => {
    assert.deepEqual(page.troubles, []);
  });
});

describe('a comparison', () => {
  const after50 = buildProfile({ stacks: [
    { stack: ['same /a.js:1'], values: [5, 50 * ms, 50 * ms] },
    { stack: ['grown /a.js:2'], values: [4, 40 * ms, 40 * ms] },
    { stack: ['shrunk /a.js:3'], values: [1, 10 * ms, 10 * ms] },
    { stack: ['new /a.js:4'], values: [2, 20 * ms, 20 * ms] },
  ] });
  const before50 = buildProfile({ stacks: [
    { stack: ['same /a.js:1'], values: [5, 50 * ms, 50 * ms] },
    { stack: ['grown /a.js:2'], values: [1, 10 * ms, 10 * ms] },
    { stack: ['shrunk /a.js:3'], values: [3, 30 * ms, 30 * ms] },
    { stack: ['gone /a.js:5'], values: [1, 10 * ms, 10 * ms] },
  ] });
  let page;
  before(async () => {
    page = await draw(after50, { args: ['--diff', save(before50)] });
  });

  it('colours what takes more and what takes less, and leaves the rest grey', async () => {
    const list = await frames(page);
    const fill = (name) => named(list, name)[0].fill;
    assert.equal(fill('same'), 'var(--same)');
    const strength = (name, word) => Number(new RegExp(`^color-mix\\(in oklab, var\\(--same\\), var\\(--${word}\\) (\\d+)%\\)$`).exec(fill(name))[1]);
    assert.equal(strength('new', 'more'), 100);
    assert.equal(strength('gone', 'less'), 100);
    assert.ok(strength('grown', 'more') > 50 && strength('shrunk', 'less') > 50);
    const rgb = await page.evaluate(() => Object.fromEntries(['new', 'gone', 'same'].map((name) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
      canvas.fillStyle = getComputedStyle(document.querySelector(`g.frame[name="${name}"] rect`)).fill;
      canvas.fillRect(0, 0, 1, 1);
      return [name, [...canvas.getImageData(0, 0, 1, 1).data]];
    })));
    assert.ok(rgb.new[0] > rgb.new[2] + 80, `more is red: ${rgb.new}`);
    assert.ok(rgb.gone[2] > rgb.gone[0] + 80, `less is blue: ${rgb.gone}`);
    assert.ok(Math.max(...rgb.same.slice(0, 3)) - Math.min(...rgb.same.slice(0, 3)) < 12, `the same is grey: ${rgb.same}`);
  });

  it('says how much, with its sign', async () => {
    const list = await rows(page);
    const byName = Object.fromEntries(list.map((row) => [row.name, row.self]));
    assert.deepEqual(byName, { grown: '+30.0 ms', new: '+20.0 ms', shrunk: '−20.0 ms', gone: '−10.0 ms', same: '0' });
    assert.equal(list[0].name, 'grown');
    await hover(page, 'grown');
    assert.deepEqual((await tooltip(page)).lines, { Self: '10.00 ms → 40.00 ms', 'Self change': '+30.00 ms (+300%)', Total: '10.00 ms → 40.00 ms', 'Total change': '+30.00 ms (+300%)' });
    await hover(page, 'gone');
    assert.equal((await tooltip(page)).lines['Total change'], '−10.00 ms (gone)');
    assert.equal(await status(page), '100.0 ms → 120.0 ms of cpu');
  });

  it('is as wide as both, as before, or as after; and compares shares', async () => {
    const width = async (name) => {
      const list = await frames(page);
      return (named(list, name)[0]?.width ?? 0) / list[0].width;
    };
    const near = async (name, share) => assert.ok(Math.abs((await width(name)) - share) < 0.002, `${name}: ${await width(name)}, not ${share}`);
    await near('grown', 50 / 220);
    await choose(page, 'widths', 'Before');
    await near('gone', 10 / 100);
    await near('new', 0);
    await choose(page, 'widths', 'After');
    await near('gone', 0);
    await near('new', 20 / 120);
    await choose(page, 'compare', 'Shares');
    // 50 of 100 ms is more than 50 of 120 ms.
    assert.equal((await rows(page)).find((row) => row.name === 'same').self, '−8.3%');
    await choose(page, 'widths', 'Both');
    await near('same', (50 / 120 + 50 / 100) / 2);
    assert.deepEqual(page.troubles, []);
  });
});

describe('other profiles', () => {
  it('a profile of a real program has the sums that an independent reader finds', async () => {
    const { profile } = await runScenario('values', majors[0], { rounds: 3, options: { intervalMicros: 1000 } });
    const page = await draw(profile.file, { args: ['--by', 'thread'] });
    for (const value of ['cpu', 'wall']) {
      await choose(page, 'value', value);
      const { sums, whole } = sumsOf(profile.file, value);
      const list = await rows(page);
      const unit = whole >= 1e9 ? [1e9, ' s', 3] : [1e6, ' ms', whole >= 100e6 ? 1 : 2];
      const text = (number) => (number === 0 ? '0' : (number / unit[0]).toFixed(unit[2]) + unit[1]);
      const heaviest = [...sums].sort(([, a], [, b]) => b.self - a.self).slice(0, 5);
      for (const [key, { self, total }] of heaviest) {
        const name = key.slice(0, key.indexOf(' ')) || key;
        const same = list.filter((row) => row.self === text(self) && row.total === text(total));
        assert.ok(same.length > 0, `${value} of ${name}: ${text(self)}, ${text(total)} in ${JSON.stringify(list.slice(0, 8))}`);
      }
    }
    assert.ok((await frames(page)).some((frame) => /^thread \d+ main, process \d+$/.test(frame.name)));
    assert.deepEqual(page.troubles, []);
  });

  it('hostile names stay names', async () => {
    const page = await draw(hostileProfile(), { args: ['--by', 'thread'] });
    const list = await rows(page);
    assert.equal(list.length, HOSTILE.length);
    for (const name of ['</script><script>alert(1)</script>', '<img src=x onerror=alert(2)>', '__proto__', 'constructor', '{{title}}{{data}}$&$`$\'', 'rtl \ufffdgnp.exe']) {
      assert.ok(list.some((row) => row.name === name), name);
    }
    assert.equal(await page.evaluate(() => document.querySelectorAll('img, iframe, script:not([type]), [onmouseover]').length), 1);
    for (const group of await page.$$('g.frame[aria-level="3"] rect')) {
      await group.hover({ force: true });
      const size = await page.evaluate(() => {
        const box = document.querySelector('#tooltip').getBoundingClientRect();
        return box.left >= 0 && box.top >= 0 && box.right <= window.innerWidth && box.bottom <= window.innerHeight;
      });
      assert.ok(size, `a tooltip sticks out: ${JSON.stringify(await tooltip(page)).slice(0, 200)}`);
    }
    await page.fill('#search', '</script>');
    assert.match(await status(page), /in 1 function/);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
    assert.deepEqual(page.troubles, []);
  });

  it('a profile without the value says so', async () => {
    const page = await draw(buildProfile({ stacks: [{ stack: ['(idle)'], values: [1, 0, 5 * ms] }] }));
    assert.equal(await page.textContent('#empty'), 'There is no cpu in this profile.');
    await choose(page, 'value', 'wall');
    assert.ok(await page.isHidden('#empty'));
    assert.equal((await frames(page)).length, 2);
    assert.deepEqual(page.troubles, []);
  });

  it('another profiler’s values have units of their own', async () => {
    const page = await draw(buildProfile({ types: [['objects', 'count'], ['space', 'bytes']], defaultType: undefined, stacks: [{ stack: ['f /a.js:1'], values: [3, 3 * 1024 * 1024] }] }));
    assert.equal(await status(page), '3.00 MiB of space');
    await choose(page, 'value', 'objects');
    assert.equal(await status(page), '3 of objects');
    assert.deepEqual(page.troubles, []);
  });

  it('a stack of 2,000 frames can be walked to its end', async () => {
    const page = await draw(buildProfile({ stacks: [{ stack: ['leaf /a.js:1', ...Array.from({ length: 1999 }, (_, index) => `f${index % 7} /a.js:${2 + (index % 7)}`)], values: [1, ms, ms] }] }));
    await focusGraph(page);
    await page.keyboard.press('End');
    assert.equal(await active(page), 'leaf');
    await page.keyboard.press('Enter');
    assert.match(await status(page), /^Zoomed to leaf/);
    const seen = (name) => page.evaluate((of) => {
      const [frame, room] = [[...document.querySelectorAll(`g.frame[name="${of}"]`)].at(-1), document.querySelector('#scroller')].map((each) => each.getBoundingClientRect());
      return frame.top >= room.top - 1 && frame.bottom <= room.bottom + 1;
    }, name);
    assert.ok(await seen('leaf'), 'the zoomed frame is in sight');
    await page.click('#reset');
    assert.ok(await seen('all'));
    await page.fill('#search', 'leaf');
    assert.ok(await seen('leaf'), 'what is found is in sight');
    assert.deepEqual(page.troubles, []);
  });

  it('100,000 samples are drawn, and can be used', { timeout: 6 * DEADLINE_MS }, async (t) => {
    const started = performance.now();
    const many = manySamples(100_000);
    const made = performance.now();
    const page = await draw(many);
    const drawn = performance.now();
    const list = await frames(page);
    assert.ok(list.length > 100 && list.length <= 3100, `${list.length} frames`);
    for (const frame of list) assert.ok(frame.width >= 0.99, `${frame.name} is ${frame.width} wide`);
    const table = await rows(page);
    assert.ok(table.length >= 100 && table.length <= 400, `${table.length} rows are made at first`);
    const deepest = list.reduce((a, b) => (a.level >= b.level ? a : b));
    const before50 = performance.now();
    await page.locator(`#${deepest.key} rect`).click();
    assert.ok((await frames(page)).length > 1);
    await page.keyboard.press('Escape');
    await page.fill('#search', 'leaf7');
    assert.match(await status(page), /in \d+ functions/);
    await choose(page, 'value', 'wall');
    await choose(page, 'view', 'Callers');
    assert.ok((await frames(page)).length > 100);
    t.diagnostic(`profile made in ${Math.round(made - started)} ms, page written and drawn in ${Math.round(drawn - made)} ms, five steps in ${Math.round(performance.now() - before50)} ms`);
    assert.deepEqual(page.troubles, []);
  });

  it('pronghorn open shows the same, without trouble', async () => {
    const child = launch(nodePath(majors[0]), [cli, 'open', '--no-browser', save(bytes)], { deadlineMs: DEADLINE_MS });
    const url = (await child.waitFor('\n')).trim();
    const page = await openPage(browser, url);
    assert.equal((await frames(page)).length, 13);
    assert.deepEqual(page.troubles, []);
    child.kill('SIGINT');
    assert.equal((await child.done).code, 0);
  });
});
