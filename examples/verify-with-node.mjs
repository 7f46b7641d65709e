// Verifies a published checkpoint with npm's jose and canonicalize, and nothing of the checkpoint signer.
//
//     node verify-with-node.mjs published.json keyring.json [fingerprint]
//
// keyring.json is what `checkpoint-signer keys export` prints, or /.well-known/jwks.json. The fingerprint is that of the key that
// signed, if you noted it before; it follows no endorsements. Exit code 0: valid; 1: not valid; 2: nothing was verified.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import canonicalize from "canonicalize";
import { flattenedVerify, importJWK } from "jose";

function check(holds, problem) {
  if (!holds) throw new Error(problem);
}

// JSON.parse takes the last of two members with one name, and rounds integers: both are refused.
function parseStrictly(text) {
  const names = [new Set()];
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d[\d.eE+-]*|[{}]/g;
  for (const [token, isName] of text.matchAll(tokens)) {
    if (token === "{") names.push(new Set());
    else if (token === "}") names.pop();
    else if (isName) {
      const name = JSON.parse(token.slice(0, -isName.length));
      check(!names.at(-1).has(name), `${name} stands twice`);
      names.at(-1).add(name);
    } else if (token[0] !== '"') check(Math.abs(Number(token)) <= Number.MAX_SAFE_INTEGER, `${token} is beyond 2^53-1`);
  }
  return JSON.parse(text);
}

// jose forgives white space in it, and the service's own reader does not: what is published has one form.
const BASE64URL = /^[A-Za-z0-9_-]+$/;

// Names that no key may have: what could be taken for a fingerprint or a thumbprint.
const LIKE_FINGERPRINT = /^(.*:)?[\w-]{43}$|[0-9a-f]{40}|^sha-?\d+:|thumbprint|fingerprint/i;

// Private members (RFC 7518, section 6): a keyring that is published has none.
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

// Whether a key is of the kind that signs here. The others are skipped (RFC 7517, section 5).
function isKnown(key) {
  const isPrivate = ["RSA", "EC", "OKP", "AKP"].includes(key.kty) && PRIVATE.some((name) => Object.hasOwn(key, name));
  check(!isPrivate, "a private key stands in the keyring: whoever signs with it must roll it over");
  const does = (key.use ?? "sig") === "sig" && (key.key_ops ?? ["verify"]).includes("verify");
  return key.kty === "RSA" && does && ["PS256", "RS256", undefined].includes(key.alg);
}

function fingerprint({ alg, e, exp, kid, kty, n, nbf }) {
  const bound = canonicalize({ alg, e, exp, kid, kty, n, nbf, use: "sig" });
  return `sha256:${createHash("sha256").update(bound).digest("hex")}`;
}

async function verify(published, keyring, pin) {
  const { signature: detached, ...checkpoint } = parseStrictly(published);
  const [encodedHeader, empty, signature, ...rest] = detached.split(".");
  check(empty === "" && rest.length === 0, "the signature is not detached: expected header..signature");
  check([encodedHeader, signature].every((part) => BASE64URL.test(part)), "the signature is not base64url without padding");
  const kid = JSON.parse(Buffer.from(encodedHeader, "base64url")).kid;
  const { keys: all } = parseStrictly(keyring);
  const keys = all.filter(isKnown);
  const skipped = all.length - keys.length;
  if (skipped > 0) console.error(`${skipped} of ${all.length} keys were skipped, of kinds that are not known here`);
  const isOnce = (name) => new Set(keys.map((key) => key[name])).size === keys.length;
  check(isOnce("kid"), "two keys of the keyring have one name");
  check(isOnce("n"), "one key of the keyring has two names");
  check(!keys.some((key) => LIKE_FINGERPRINT.test(key.kid)), "a key is named like a fingerprint");
  const jwk = keys.find((key) => key.kid === kid);
  check(jwk, `the keyring has no key ${kid}`);

  const payload = Buffer.from(canonicalize(checkpoint)).toString("base64url");
  const { protectedHeader: header } = await flattenedVerify(
    { protected: encodedHeader, payload, signature },
    await importJWK(jwk, jwk.alg),
    { algorithms: [jwk.alg] },
  );
  check(header.typ === "ledger-checkpoint+jws", "it is signed as something else");
  check(jwk.nbf <= header.iat && header.iat < jwk.exp, "signed outside of the key's window");
  check(!jwk.revoked || header.iat < jwk.revoked.revoked_at, "signed when the key was not trusted any more");
  const found = fingerprint(jwk);
  check(pin === undefined || pin === found, `it was signed by ${kid} with the fingerprint ${found}, and not by the pinned key`);
  return `valid: signed by ${kid} (${found}) at ${header.iat} seconds since 1970`;
}

const [files, pins] = [process.argv.slice(2, 4), process.argv.slice(4)];
if (files.length !== 2 || pins.length > 1) {
  console.error("expected two files, and at most a fingerprint: published.json keyring.json [fingerprint]");
  process.exit(2);
}
const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    console.error(`cannot be read: ${error.message}`);
    process.exit(2);
  }
};
const [published, keyring] = files.map(read);
try {
  console.log(await verify(published, keyring, ...pins));
} catch (error) {
  console.error(`not valid: ${error.name}: ${error.message}`);
  process.exitCode = 1;
}
