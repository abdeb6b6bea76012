// A native addon's own functions, JavaScript called from native code called from JavaScript, and leaves inside libc.
import { program } from '../helpers/program.mjs';

let fixture;
let sink = 1;

function inner() { // @fn inner @call *>inner
  for (let index = 0; index < 300_000; index++) sink = (Math.imul(sink, 69069) + index) | 0; // @hot inner
} // @end inner

function viaNative() { // @fn viaNative
  fixture.callBack(inner); // @call viaNative>inner
} // @end viaNative

function burnNative() { // @fn burnNative
  fixture.burn(4); // @hot burnNative
} // @end burnNative

function burnMangled() { // @fn burnMangled
  fixture.burnMangled(4); // @hot burnMangled
} // @end burnMangled

function churnMemory() { // @fn churnMemory
  fixture.churn(4); // @hot churnMemory
} // @end churnMemory

function work() { // @fn work @call *>work
  burnNative(); // @call work>burnNative
  burnMangled(); // @call work>burnMangled
  churnMemory(); // @call work>churnMemory
  viaNative(); // @call work>viaNative
} // @end work

export const truth = program(import.meta, {
  entry: work,
  prepare: (context) => (fixture = context.fixture),
  ms: 1000,
  check(profile, run, assert, { share, has, total, show, scriptFrames }) {
    const nativeFrames = run.options.nativeFrames ?? 'all';
    const inJs = (name) => profile.samples.filter(({ stack }) => scriptFrames(stack).at(-1)?.name === name);
    const burn = inJs('burnNative');
    assert.ok(total(burn, 'count') > 10);
    if (nativeFrames !== 'none') {
      assert.ok(share(burn, 'count', ({ stack }) => stack.at(-1).name === 'pronghorn_fixture_burn') > 0.95, show(burn[0].stack));
      assert.ok(share(inJs('burnMangled'), 'count', ({ stack }) => /^(pronghorn_test_fixture::)?work::burn_under_a_mangled_name$/.test(stack.at(-1).name)) > 0.95, show(inJs('burnMangled')[0].stack));
    }
    const churn = inJs('churnMemory');
    if (nativeFrames === 'all') {
      assert.ok(share(churn, 'count', has('pronghorn_fixture_churn')) > 0.98, show(churn[0].stack));
      assert.ok(share(churn, 'count', ({ stack }) => /malloc|free|mem|_int_/.test(stack.at(-1).name)) > 0.5, 'libc leaves have names');
    }
    const back = profile.samples.filter(has('inner'));
    assert.ok(total(back, 'count') > 10);
    for (const { stack } of back) {
      const between = stack.slice(stack.findIndex((frame) => frame.name === 'viaNative') + 1, stack.findIndex((frame) => frame.name === 'inner'));
      const named = between.some((frame) => frame.native && /call_back/.test(frame.name));
      assert.equal(named, nativeFrames === 'all', show(stack));
      if (nativeFrames !== 'all') assert.equal(between.filter((frame) => frame.native).length, 0, show(stack));
    }
    for (const { stack } of profile.samples) {
      const natives = stack.filter((frame) => frame.native).length;
      if (nativeFrames === 'none') assert.equal(natives, 0, show(stack));
      const jsAt = stack.findIndex((frame) => !frame.native && !frame.marker);
      // 'leaf' shows what the innermost JavaScript function called, and nothing between two JavaScript functions.
      const innermost = stack.findLastIndex((frame) => !frame.native && !frame.marker);
      if (nativeFrames === 'leaf') assert.ok(stack.slice(0, innermost + 1).every((frame) => !frame.native), show(stack));
      if (jsAt > 0) assert.ok(stack.slice(0, jsAt).every((frame) => !frame.native), `native frames below the outermost JavaScript frame: ${show(stack)}`);
    }
  },
});
