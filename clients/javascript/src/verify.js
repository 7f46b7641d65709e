// The verdict: what was found, in the order of the checks of the core's verdict.rs.

import { Refusal, textOf } from "./json.js";
import { parsePublished } from "./checkpoint.js";
import { chainOf, madeBy, pinnedKey } from "./keyring.js";

async function judge(keys, { jws, signingInput }, key, untrusted) {
  const { header, signature } = jws;
  if (!key || untrusted) return "UNKNOWN_KEY";
  if (header.alg !== key.alg) return "ALGORITHM_MISMATCH";
  if (!(await madeBy(key, signature, signingInput))) return "INVALID_SIGNATURE";
  if (header.iat < key.nbf || header.iat >= key.exp) return "OUTSIDE_VALIDITY";
  if (key.revoked && header.iat >= key.revoked.at) return "KEY_REVOKED";
  return "VALID";
}

// Verifies a published checkpoint, its text or its bytes, against a keyring; with a pin, against the key of that fingerprint and those that
// it leads to. A pin that is none of the keyring is refused: then nothing is verified.
export async function verifyPublished(keys, given, pin = null) {
  const pinned = pin === null ? null : pinnedKey(keys, pin);
  let published;
  try {
    published = parsePublished(typeof given === "string" ? given : textOf(given));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: "MALFORMED", problem: error.message, text: typeof given === "string" ? given : new TextDecoder().decode(given) };
  }
  const key = keys.get(published.jws.header.kid) ?? null;
  const chain = key && (await chainOf(keys, key, pinned));
  const untrusted = pinned && key ? chain.broken : null;
  const kind = await judge(keys, published, key, untrusted);
  return { kind, published, key, pinned, chain, untrusted, header: published.jws.header };
}
