// Damages profiles: as bytes, and as the fields that they consist of. Everything comes from a seed, so a failure can be repeated.

/** Numbers from a seed (mulberry32). */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A whole number below `limit`. */
  below(limit) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}

/** Numbers at which readers stumble. */
const EDGES = [0n, 1n, 2n, 127n, 128n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

function readVarint(bytes, at) {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (at >= bytes.length) return undefined;
    const byte = bytes[at++];
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, at };
  }
  return undefined;
}

/** The fields of a message: [number, bigint | Buffer]; undefined if the bytes are none. */
export function fieldsOf(bytes) {
  const fields = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = readVarint(bytes, at);
    if (tag === undefined) return undefined;
    const read = readVarint(bytes, tag.at);
    if (read === undefined) return undefined;
    const field = Number(tag.value >> 3n);
    if ((tag.value & 7n) === 0n) {
      fields.push([field, read.value]);
      ({ at } = read);
    } else if ((tag.value & 7n) === 2n) {
      at = read.at + Number(read.value);
      if (at > bytes.length) return undefined;
      fields.push([field, bytes.subarray(read.at, at)]);
    } else return undefined;
  }
  return fields;
}

export function encodeFields(fields) {
  const parts = fields.flatMap(([field, value]) =>
    typeof value === 'bigint' ? [varint(field * 8), varint(value)] : [varint(field * 8 + 2), varint(value.length), value],
  );
  return Buffer.concat(parts);
}

/** Changes a field of the message, or of one inside it: its number, its value, its place, how often it is there. */
function damageFields(bytes, random, depth) {
  const fields = fieldsOf(bytes);
  if (fields === undefined || fields.length === 0) return damageBytes(bytes, random);
  const index = random.below(fields.length);
  const [field, value] = fields[index];
  const inner = typeof value !== 'bigint' && field !== 6 && depth < 3 && random.below(3) > 0;
  if (inner) fields[index] = [field, damageFields(value, random, depth + 1)];
  else {
    const change = random.below(7);
    if (change === 0) fields.splice(index, 1);
    else if (change === 1) fields.splice(random.below(fields.length), 0, fields[index]);
    else if (change === 2) fields[index] = [1 + random.below(16), value];
    else if (change === 3) fields[index] = [field, random.pick(EDGES)];
    else if (change === 4) fields[index] = [field, typeof value === 'bigint' ? value + BigInt(random.below(9)) : damageBytes(value, random)];
    else if (change === 5) fields.push(...Array.from({ length: random.below(40) }, () => fields[index]));
    else fields[index] = [field, typeof value === 'bigint' ? varint(value) : BigInt(value.length)];
  }
  return encodeFields(fields);
}

/** Changes some bytes, or the length. */
export function damageBytes(bytes, random) {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return Buffer.from([random.below(256)]);
  const kind = random.below(6);
  if (kind === 0) return copy.subarray(0, random.below(copy.length));
  if (kind === 1) {
    const from = random.below(copy.length);
    return Buffer.concat([copy.subarray(0, from), copy.subarray(random.below(copy.length))]);
  }
  for (let count = 1 + random.below(8); count > 0; count--) copy[random.below(copy.length)] = random.pick([0, 0xff, 0x80, 0x7f, random.below(256)]);
  return copy;
}

/** One to four changes of plain pprof bytes. */
export function damage(bytes, random) {
  let damaged = bytes;
  for (let count = 1 + random.below(4); count > 0; count--) damaged = random.below(4) === 0 ? damageBytes(damaged, random) : damageFields(damaged, random, 0);
  return damaged;
}
