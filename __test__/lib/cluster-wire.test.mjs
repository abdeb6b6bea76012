// The messages between primary and workers, cut as a stream may cut them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame, FrameReader } from '../../build/lib/cluster/wire.js';

const messages = [
  { header: { do: 'rotate', session: 'größe 😀', request: 1 }, payload: Buffer.alloc(0) },
  { header: { is: 'part', session: 'b', period: {} }, payload: Buffer.from([0, 255, 10, 0]) },
  { header: {}, payload: Buffer.from('x') },
];
const bytes = Buffer.concat(messages.map(({ header, payload }) => encodeFrame(header, payload)));

/** What the first eight bytes announce. */
function prefix(headerBytes, payloadBytes) {
  const buffer = Buffer.alloc(8);
  buffer.writeUInt32BE(headerBytes, 0);
  buffer.writeUInt32BE(payloadBytes, 4);
  return buffer;
}

test('however the stream is cut, the messages are the same', () => {
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new FrameReader();
    assert.deepEqual([...reader.push(bytes.subarray(0, cut)), ...reader.push(bytes.subarray(cut))], messages, `cut at ${cut}`);
  }
  for (const size of [1, 2, 3, 7, 8, 9]) {
    const reader = new FrameReader();
    const frames = [];
    for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)));
    assert.deepEqual(frames, messages, `in pieces of ${size}`);
  }
});

test('a message comes out with its last byte, and half a message never does', () => {
  const [first] = messages;
  const one = encodeFrame(first.header, first.payload);
  for (let length = 0; length < one.length; length++) assert.deepEqual(new FrameReader().push(one.subarray(0, length)), [], `${length} bytes`);
  const reader = new FrameReader();
  for (let at = 0; at < one.length - 1; at++) assert.deepEqual(reader.push(one.subarray(at, at + 1)), []);
  assert.deepEqual(reader.push(one.subarray(-1)), [first]);
});

test('a size that no message of ours has is refused with the prefix, before anything is waited for or kept', () => {
  const [header, payload] = [16 * 1024 * 1024, 256 * 1024 * 1024];
  assert.throws(() => new FrameReader().push(prefix(header + 1, 0)), /no message/);
  assert.throws(() => new FrameReader().push(prefix(2, payload + 1)), /no message/);
  assert.throws(() => new FrameReader().push(Buffer.from('GET / HTTP/1.1\r\n')), /no message/);
  // The largest ones allowed are waited for.
  assert.deepEqual(new FrameReader().push(prefix(header, payload)), []);
  // Also behind a good message, and split.
  const reader = new FrameReader();
  assert.deepEqual(reader.push(bytes), messages);
  const bad = prefix(0xffff_ffff, 0);
  assert.deepEqual(reader.push(bad.subarray(0, 7)), []);
  assert.throws(() => reader.push(bad.subarray(7)), /no message/);
});

test('a header that is no JSON is refused', () => {
  assert.throws(() => new FrameReader().push(Buffer.concat([prefix(3, 0), Buffer.from('{x}')])), SyntaxError);
  assert.throws(() => new FrameReader().push(prefix(0, 0)), SyntaxError);
});
