// Files that are no text of checkpoints or keys, and show it by their first bytes: each is told as what it is, with what to do.

import { decoded } from "./json.js";

const FOREIGN = [
  ["\x1f\x8b", "is compressed by gzip, which is not read here; expected the text itself (`gzip -d` unpacks it, and checkpoint-verify reads it as it is)"],
  ["\x28\xb5\x2f\xfd", "is compressed by Zstandard, which is not read here; expected the text itself (`zstd -d` unpacks it, and checkpoint-verify reads it as it is)"],
  ["SQLite format 3\0", "is a SQLite database, as a record is; expected published checkpoints (`checkpoint-signer record export` writes those of a record)"],
  ["PK\x03\x04", "is a ZIP archive; expected the files in it (`unzip` unpacks it)"],
  ["\xfd7zXZ\0", "is compressed by xz; expected the text itself (`xz -d` unpacks it)"],
  ["\x1f\x9d", "is compressed by compress (.Z); expected the text itself (`gzip -d` unpacks it)"],
  ["\x04\x22\x4d\x18", "is compressed by lz4; expected the text itself (`lz4 -d` unpacks it)"],
  ["LZIP", "is compressed by lzip; expected the text itself (`lzip -d` unpacks it)"],
  ["7z\xbc\xaf\x27\x1c", "is a 7z archive; expected the files in it (`7z x` unpacks it)"],
  ["Rar!\x1a\x07", "is a RAR archive; expected the files in it (`unrar x` unpacks it)"],
  ["PK\x05\x06", "is a ZIP archive with nothing in it; expected a published checkpoint, which is JSON"],
  ["BZh", "is compressed by bzip2; expected the text itself (`bzip2 -d` unpacks it)"],
  ["%PDF-", "is a PDF document; expected a published checkpoint, which is JSON"],
  ["\x7fELF", "is a program; expected a published checkpoint, which is JSON"],
];
// Where a tar archive shows what it is (POSIX.1-2024, ustar), in its first block.
const TAR = [257, "ustar"];
const ZLIB = /^x[\x01^\x9c\xda]/;
const WEB_PAGE = /^[ \t\r\n\f]*<(?:!doctype html|html|head|\?xml|!--)/i;
const LOOKED_AT = 512;

// What it is, in words; none where it may be text of checkpoints.
export function kindOf(bytes) {
  const looked = bytes.subarray(0, LOOKED_AT);
  const first = String.fromCharCode(...looked);
  const known = FOREIGN.find(([begin]) => first.startsWith(begin));
  if (known) return known[1];
  if (first.startsWith(TAR[1], TAR[0])) return "is a tar archive; expected the files in it (`tar -xf` unpacks it)";
  if (ZLIB.test(first) && decoded(looked) === null) return "is compressed by zlib, as no file is; expected the text itself (`pigz -dz` unpacks it)";
  return WEB_PAGE.test(first) ? "is a web page (HTML), as a site shows to people; expected the JSON itself, which is at /v1/checkpoints/LEDGER/ID or /.well-known/jwks.json of the HTTP address" : null;
}
