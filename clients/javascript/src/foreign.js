// Files that are no text of checkpoints or keys, and show it by their first bytes: each is told as what it is, with what to do.

const FOREIGN = [
  [[0x1f, 0x8b], "is compressed by gzip, which is not read here; expected the text itself (`gzip -d` unpacks it, and checkpoint-verify reads it as it is)"],
  [[0x28, 0xb5, 0x2f, 0xfd], "is compressed by Zstandard, which is not read here; expected the text itself (`zstd -d` unpacks it, and checkpoint-verify reads it as it is)"],
  [[0xff, 0xfe], "is UTF-16, as some editors and shells write text; expected UTF-8 (`iconv -f UTF-16 -t UTF-8` makes it that)"],
  [[0xfe, 0xff], "is UTF-16, as some editors and shells write text; expected UTF-8 (`iconv -f UTF-16 -t UTF-8` makes it that)"],
];
const WEB_PAGE = /^[ \t\r\n\f]*<(?:!doctype html|html|head|\?xml|!--)/i;
const LOOKED_AT = 64;

// What it is, in words; none where it may be text of checkpoints.
export function kindOf(bytes) {
  const known = FOREIGN.find(([begin]) => begin.every((byte, index) => bytes[index] === byte));
  if (known) return known[1];
  const first = String.fromCharCode(...bytes.subarray(0, LOOKED_AT));
  return WEB_PAGE.test(first) ? "is a web page (HTML), as a site shows to people; expected the JSON itself, which is at /v1/checkpoints/LEDGER/ID or /.well-known/jwks.json of the HTTP address" : null;
}
