// What scripts/valgrind.mjs takes for an error of ours. The run itself is a step of `npm run test:long`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf } from '../../scripts/valgrind.mjs';

const log = `==7== Memcheck, a memory error detector
==7== Command: node
==7==
==7== Conditional jump or move depends on uninitialised value(s)
==7==    at 0x1: v8::internal::Heap::Setup() (in /usr/bin/node)
==7==    by 0x2: main (in /usr/bin/node)
==7==
==7== Invalid read of size 8
==7==    at 0x3: memcpy (vg_replace_strmem.c:1)
==7==    by 0x4: ??? (in /app/pronghorn.linux-x64-gnu.node)
==7==  Address 0x5 is 0 bytes after a block of size 64 alloc'd
==7==    at 0x6: malloc (vg_replace_malloc.c:1)
==7==
==7== HEAP SUMMARY:
==7==     in use at exit: 0 bytes in 0 blocks
`;

test('an error counts if a frame of it is ours', () => {
  const { all, ours } = errorsOf(log);
  assert.equal(all.length, 2);
  assert.equal(ours.length, 1);
  assert.match(ours[0], /^Invalid read of size 8/);
  assert.deepEqual(errorsOf(log.replaceAll('pronghorn', 'other')).ours, []);
});
