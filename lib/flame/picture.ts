/**
 * The page for one or several profile files, as `pronghorn flame` writes and `pronghorn open` serves it.
 */
import { basename } from 'node:path';
import { Merger } from '../pprof/merge.js';
import { type Pprof, readProfile, useProfileFile } from '../pprof/reader.js';
import { profileBytes } from '../pprof/bytes.js';
import type { Grouping } from '../pprof/sample-groups.js';
import type { Value } from '../command/top.js';
import { encodeDocument } from './document.js';
import { renderPage } from './page.js';

/** What the two commands have in common. */
export interface PictureOptions {
  files: string[];
  value: Value | undefined;
  by: Grouping | undefined;
  /** The file to compare with. */
  diff: string | undefined;
}

/**
 * @param template path of the page's template
 * @throws PronghornError ERR_PRONGHORN_INVALID_PROFILE, ERR_PRONGHORN_INCOMPATIBLE_PROFILES
 */
export function makePicture({ files, value, by, diff }: PictureOptions, template: string): Buffer {
  const [first = ''] = files;
  const title = files.length === 1 ? basename(first) : `${basename(first)} and ${files.length - 1} more`;
  const request = { title, value, by };
  const document = useProfiles(files, (profile) => {
    if (diff === undefined) return encodeDocument(profile, request);
    return useProfileFile(diff, (base) => encodeDocument(profile, request, { title: basename(diff), profile: base }));
  });
  return renderPage(template, diff === undefined ? title : `${title} compared with ${basename(diff)}`, document);
}

function useProfiles<T>(files: readonly string[], use: (profile: Pprof) => T): T {
  const [first] = files;
  if (files.length === 1 && first !== undefined) return useProfileFile(first, use);
  const merger = new Merger();
  for (const name of files) merger.add({ name, data: profileBytes(name) });
  return use(readProfile(merger.finish()));
}
