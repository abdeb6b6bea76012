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
==7== Invalid read of size 8
==7==    at 0x8: pronghorn_v8_load_u64 (in /app/pronghorn.linux-x64-gnu.node)
==7==    by 0x9: u64 (pronghorn-v8/src/load.rs:113)
==7==  Address 0x5 is not stack'd, malloc'd or (recently) free'd
==7==
==7== Conditional jump or move depends on uninitialised value(s)
==7==    at 0xA: is_pointer (pronghorn-v8/src/object.rs:10)
==7==    by 0xA: {closure#1}<pronghorn_v8::memory::Live> (pronghorn-v8/src/async_store.rs:55)
==7==
==7== HEAP SUMMARY:
==7==     in use at exit: 0 bytes in 0 blocks
`;

test('an error counts if a frame of it is ours, unless a load that may fail has failed', () => {
  const { all, known, ours } = errorsOf(log);
  assert.equal(all.length, 4);
  assert.equal(ours.length, 1);
  assert.match(ours[0], /^Invalid read of size 8\s+at 0x3: memcpy/);
  assert.equal(known.length, 2);
  assert.deepEqual(errorsOf(log.replaceAll('pronghorn', 'other')).ours, []);
});

test('what a reader does on purpose is not forgiven elsewhere', () => {
  assert.equal(errorsOf(log.replaceAll('pronghorn_v8_load_u64', 'u64')).ours.length, 2);
  assert.equal(errorsOf(log.replaceAll('Invalid read', 'Invalid write')).ours.length, 2);
  assert.equal(errorsOf(log.replaceAll('async_store.rs', 'handler.rs')).ours.length, 2);
});
