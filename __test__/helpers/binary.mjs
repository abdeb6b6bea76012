// The file of the native half that this machine needs, whose Node is of the same C library.
import { existsSync } from 'node:fs';

const isMusl = existsSync('/lib/ld-musl-x86_64.so.1') && !existsSync('/lib64/ld-linux-x86-64.so.2');

export const BINARY = `pronghorn.linux-x64-${isMusl ? 'musl' : 'gnu'}.node`;
