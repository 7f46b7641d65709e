// A sentence for each verdict, for logs and terminals. The page has words of its own, for laymen.

import { visible } from "./visible.js";

const instant = (seconds) => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} seconds from 1970` : date.toISOString().replace(".000Z", "Z");
};
const windowOf = ({ nbf, exp }) => `${instant(nbf)} <= t < ${instant(exp)}`;

const SENTENCES = {
  VALID: ({ key, header }) => `${key.kid} signed at ${instant(header.iat)}, inside of its window ${windowOf(key)}`,
  INVALID_SIGNATURE: ({ key }) => `${key.kid} did not make this signature over this content: it was changed`,
  UNKNOWN_KEY: ({ header, untrusted }) => (untrusted ? `no chain from the pinned key: ${untrusted}` : `the keyring has no trusted key ${header.kid}`),
  OUTSIDE_VALIDITY: ({ key, header }) => `${key.kid} signed at ${instant(header.iat)}, outside of its window ${windowOf(key)}`,
  KEY_REVOKED: ({ key, header }) => `${key.kid} signed at ${instant(header.iat)}, and is distrusted from ${instant(key.revoked.at)} on: ${key.revoked.reason}`,
  ALGORITHM_MISMATCH: ({ key, header }) => `the signature says ${header.alg}, but ${key.kid} signs with ${key.alg} only`,
  MALFORMED: ({ problem }) => `this is not a signed checkpoint: ${problem}`,
};

export const explain = (found) => visible(SENTENCES[found.kind](found));
