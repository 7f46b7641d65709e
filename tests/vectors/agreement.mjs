// The single vectors by the package and, of what the package takes for readable, by general libraries: whoever finds a signature valid must agree. Runs
// in Node and in a browser.

import { verify } from "@amply/checkpoint-verify";
import canonicalize from "canonicalize";
import { flattenedVerify, importJWK } from "jose";

const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const textOf = (bytes) => new TextDecoder().decode(bytes);
const base64url = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function publishedOf({ published, published_base64: base64, published_pieces: pieces }) {
  if (pieces) return pieces.map(([piece, count]) => piece.repeat(count)).join("");
  return published ?? bytesOf(base64);
}

// Whether jose finds that the key of the header made it, by what canonicalize makes of it.
async function isSigned(text, { keys }) {
  const { signature: compact, ...content } = JSON.parse(text);
  const [encodedHeader, , signature] = compact.split(".");
  const { kid } = JSON.parse(textOf(bytesOf(encodedHeader.replaceAll("-", "+").replaceAll("_", "/"))));
  const { kty, n, e, alg } = keys.find((key) => key.kid === kid);
  // jose leaves that to the implementation of WebCrypto, and Node's takes one without the zeros that it begins with.
  if (signature.length !== n.length) return false;
  const payload = base64url(canonicalize(content));
  try {
    await flattenedVerify({ protected: encodedHeader, payload, signature }, await importJWK({ kty, n, e }, alg), { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}

// What is not as it should be, a line each.
export async function disagreements({ keyrings, cases }) {
  const found = [];
  for (const one of cases) {
    const [published, keyring] = [publishedOf(one), keyrings[one.keyring]];
    const { verdicts } = await verify(published, JSON.stringify(keyring));
    const [{ kind }] = verdicts;
    if (kind !== one.verdict) found.push(`${one.name}: ${kind}, not ${one.verdict}`);
    if (["MALFORMED", "UNKNOWN_KEY"].includes(kind) || one.published_pieces) continue;
    const bySignature = ["VALID", "OUTSIDE_VALIDITY", "KEY_REVOKED"].includes(kind);
    if ((await isSigned(published, keyring)) !== bySignature) found.push(`${one.name}: jose says ${!bySignature}`);
  }
  return found;
}
