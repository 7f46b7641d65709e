// Files that are no text of checkpoints or keys, and show it by their first bytes: each is told as what it is, with what to do.

const FOREIGN = [
  ["\x1f\x8b", "is compressed by gzip, which is not read here; expected the text itself (`gzip -d` unpacks it, and checkpoint-verify reads it as it is)"],
  ["\x28\xb5\x2f\xfd", "is compressed by Zstandard, which is not read here; expected the text itself (`zstd -d` unpacks it, and checkpoint-verify reads it as it is)"],
  ["SQLite format 3\0", "is a SQLite database, as a record is; expected published checkpoints (`checkpoint-signer record export` writes those of a record)"],
  ["PK\x03\x04", "is a ZIP archive; expected the files in it (`unzip` unpacks it)"],
  ["\xfd7zXZ\0", "is compressed by xz; expected the text itself (`xz -d` unpacks it)"],
  ["BZh", "is compressed by bzip2; expected the text itself (`bzip2 -d` unpacks it)"],
  ["%PDF-", "is a PDF document; expected a published checkpoint, which is JSON"],
  ["\x7fELF", "is a program; expected a published checkpoint, which is JSON"],
];
const WEB_PAGE = /^[ \t\r\n\f]*<(?:!doctype html|html|head|\?xml|!--)/i;
const LOOKED_AT = 64;

// What it is, in words; none where it may be text of checkpoints.
export function kindOf(bytes) {
  const first = String.fromCharCode(...bytes.subarray(0, LOOKED_AT));
  const known = FOREIGN.find(([begin]) => first.startsWith(begin));
  if (known) return known[1];
  return WEB_PAGE.test(first) ? "is a web page (HTML), as a site shows to people; expected the JSON itself, which is at /v1/checkpoints/LEDGER/ID or /.well-known/jwks.json of the HTTP address" : null;
}
