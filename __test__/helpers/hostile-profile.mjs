// A profile whose every text is hostile: to markup, to scripts, to terminals, to layout.
import { gzipSync } from 'node:zlib';
import { Function as PprofFunction, Label, Line, Location, Profile, Sample, StringTable, ValueType } from 'pprof-format';

export const HOSTILE = [
  '</script><script>alert(1)</script>',
  'x'.repeat(10_000),
  'ctl\u0000\u0007\u001b[31mred\u009b\r\nnew\u2028line',
  '<img src=x onerror=alert(2)>',
  '{{title}}{{data}}$&$`$\'',
  'rtl \u202egnp.exe',
  '🦌 ünïcode',
  '`;alert(3)//${alert(4)}',
  '__proto__',
  'constructor',
  '<!--<script>',
  '" onmouseover="alert(5)',
];

/** @returns {Buffer} gzipped; each name stands below the first, once, and once in a stack of all of them */
export function hostileProfile() {
  const stringTable = new StringTable();
  const text = (value) => stringTable.dedup(value);
  const all = HOSTILE.map((_, index) => index + 1);
  const sample = HOSTILE.map((name, index) => {
    const label = [new Label({ key: text('thread name'), str: text(name) }), new Label({ key: text('thread id'), num: index + 1 })];
    return new Sample({ locationId: [index + 1, 1], value: [1, (20 - index) * 1e6, (20 - index) * 2e6], label });
  });
  sample.push(new Sample({ locationId: all.toReversed(), value: [1, 5e6, 7e6] }));
  const profile = new Profile({
    sampleType: [['samples', 'count'], ['cpu', 'nanoseconds'], ['wall', 'nanoseconds']].map(([type, unit]) => new ValueType({ type: text(type), unit: text(unit) })),
    sample,
    function: HOSTILE.map((name, index) => new PprofFunction({ id: index + 1, name: text(name), filename: text(index % 2 === 0 ? `/app/${name}.js` : name), startLine: index })),
    location: all.map((id) => new Location({ id, line: [new Line({ functionId: id, line: 1 })] })),
    comment: [text('</script><!--')],
    defaultSampleType: text('cpu'),
    stringTable,
  });
  return gzipSync(profile.encode());
}
