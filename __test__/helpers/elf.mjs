// Reads what a shared library needs and offers: the names and versions of its dynamic section, by the ELF specification.
import { readFileSync } from 'node:fs';

const VERSION_NEEDS = 0x6ffffffe;
const DYNAMIC = 6;
const NEEDED = 1n;
const WEAK = 2;
/** Entries of .gnu.version up to this one name no version. */
const GLOBAL = 1;

/**
 * Output: `needs`, which versions of which library ("GLIBC_2.17" of "libc.so.6"), as `{ library, version }`; `libraries`, the libraries to
 * be loaded with it; `sections`, the names of its sections; `symbols`, its dynamic symbols as
 * `{ name, defined, weak, versioned }`: `versioned`, whether it asks for a certain version of it.
 */
export function readElf(path) {
  const bytes = readFileSync(path);
  if (bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) throw new Error(`${path} is no 64-bit little-endian ELF file`);
  const sections = sectionsOf(bytes);
  const named = (name) => sections.find((section) => section.name === name);
  const strings = named('.dynstr').offset;
  const text = (offset) => textAt(bytes, strings + offset);

  const libraries = [];
  const dynamic = sections.find((section) => section.type === DYNAMIC);
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (bytes.readBigInt64LE(at) === NEEDED) libraries.push(text(Number(bytes.readBigUInt64LE(at + 8))));
  }

  const needs = [];
  const versions = sections.find((section) => section.type === VERSION_NEEDS);
  for (let at = versions.offset, left = versions.info; left > 0; left--) {
    const library = text(bytes.readUInt32LE(at + 4));
    let entry = at + bytes.readUInt32LE(at + 8);
    for (let count = bytes.readUInt16LE(at + 2); count > 0; count--) {
      needs.push({ library, version: text(bytes.readUInt32LE(entry + 8)) });
      entry += bytes.readUInt32LE(entry + 12);
    }
    at += bytes.readUInt32LE(at + 12);
  }

  const symbols = [];
  const [table, symbolVersions] = [named('.dynsym'), named('.gnu.version')];
  for (let at = table.offset + 24; at < table.offset + table.size; at += 24) {
    const version = bytes.readUInt16LE(symbolVersions.offset + (2 * (at - table.offset)) / 24) & 0x7fff;
    symbols.push({
      name: text(bytes.readUInt32LE(at)),
      defined: bytes.readUInt16LE(at + 6) !== 0,
      weak: bytes[at + 4] >> 4 === WEAK,
      versioned: version > GLOBAL,
    });
  }
  return { needs, libraries, symbols, sections: sections.map((section) => section.name) };
}

function sectionsOf(bytes) {
  const [offset, size, count] = [Number(bytes.readBigUInt64LE(0x28)), bytes.readUInt16LE(0x3a), bytes.readUInt16LE(0x3c)];
  const sections = Array.from({ length: count }, (_, index) => {
    const at = offset + index * size;
    return {
      nameAt: bytes.readUInt32LE(at),
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 0x18)),
      size: Number(bytes.readBigUInt64LE(at + 0x20)),
      info: bytes.readUInt32LE(at + 0x2c),
    };
  });
  const names = sections[bytes.readUInt16LE(0x3e)].offset;
  return sections.map(({ nameAt, type, offset: at, size: length, info }) => ({ name: textAt(bytes, names + nameAt), type, offset: at, size: length, info }));
}

function textAt(bytes, at) {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}
