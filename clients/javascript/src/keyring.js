// The keyring: a JWK Set with each key's window, revocation and endorsement, and trust from one pinned key. The rules
// are those of the core's keyring/jwk.rs, endorsement.rs and chain.rs.

import { Refusal, bytesOf, canonical, parseRing, textOf } from "./json.js";
import { ALGORITHMS, MAX_JWS_BYTES, fromBase64Url, nameProblem, parseHeader, toBase64Url } from "./checkpoint.js";

// Why something is no keyring, and why a pin is none of a keyring: in both cases nothing is verified.
export class KeyringError extends Refusal {}
export class PinError extends Refusal {}

const MAX_KEYRING_BYTES = 16 * 1024 * 1024;
const MAX_EXPONENT = 2 ** 33;
const MAX_TOLD = 10;
const FINGERPRINT = /^sha256:[0-9a-f]{64}$/;
const LAST_KEY_TIME = 253402300799; // 9999-12-31T23:59:59Z

const isKeyTime = (value) => Number.isInteger(value) && 0 <= value && value <= LAST_KEY_TIME;

export const hexadecimal = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const trim = (bytes) => bytes.subarray(Math.max(0, bytes.findIndex((byte) => byte !== 0)));

function parseEndorsement(compact) {
  const parts = typeof compact === "string" ? compact.split(".") : [];
  if (parts.length !== 3 || parts[2] === "") throw new Refusal("is not a JWS of three parts");
  const [encodedHeader, encodedPayload, signature] = parts;
  if (bytesOf(`${encodedHeader}..${signature}`).length > MAX_JWS_BYTES) throw new Refusal(`has more than ${MAX_JWS_BYTES} bytes but for its payload`);
  return {
    header: parseHeader(encodedHeader, "key-endorsement+jws"),
    payload: textOf(fromBase64Url(encodedPayload, "payload")),
    signingInput: `${encodedHeader}.${encodedPayload}`,
    signature: fromBase64Url(signature, "signature"),
  };
}

// That of a key, if it has one. What is wrong with it is wrong with the key.
function endorsementOf(jwk, wrong) {
  const compact = jwk.get("endorsement") ?? null;
  if (compact === null) return null;
  try {
    return parseEndorsement(compact);
  } catch (error) {
    return wrong("endorsement", error.message);
  }
}

// When a key was revoked, and why.
function revocationOf(jwk, wrong) {
  const revoked = jwk.get("revoked") ?? null;
  if (revoked === null) return null;
  if (!(revoked instanceof Map)) wrong("revoked", "is not an object");
  const [at, reason] = [revoked.get("revoked_at"), revoked.get("reason") ?? ""];
  if (!isKeyTime(at)) wrong("revoked.revoked_at", "is not a time in whole seconds from 1970 to 9999");
  if (typeof reason !== "string") wrong("revoked.reason", "is not a text");
  return { at, reason };
}

// A number of a key, in base64url.
function numberOf(jwk, name, wrong) {
  if (typeof jwk.get(name) !== "string") wrong(name, "is not a text");
  try {
    return trim(fromBase64Url(jwk.get(name), name));
  } catch {
    return wrong(name, "is not base64url without padding");
  }
}

function checkNumbers(n, e, wrong) {
  const bits = n.length * 8 - Math.clz32(n[0] ?? 0) + 24;
  if (bits < 2048 || bits > 8192) wrong("n", `is an RSA key of ${bits} bits; expected 2048 to 8192`);
  const exponent = e.reduce((sum, byte) => sum * 256 + byte, 0);
  if (exponent < 65537) wrong("e", "is too small; expected at least 65537");
  const isOdd = n[n.length - 1] % 2 === 1 && e[e.length - 1] % 2 === 1;
  if (!isOdd || e.length > 8 || exponent >= MAX_EXPONENT) wrong("n", "is not a usable RSA public key");
  return bits;
}

// The private members of each kind (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2; RFC 9864).
const PRIVATE = new Map([
  ["RSA", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]],
  ["EC", ["d"]],
  ["OKP", ["d"]],
  ["AKP", ["priv"]],
]);

// Why a key is of a kind that is not known here, which is skipped (RFC 7517, section 5), or null: the rule of the core's keyring/kind.rs. What
// is of a known kind is read as a whole or refused, and so is a private key.
function skipped(jwk, wrong) {
  if (!(jwk instanceof Map)) wrong("jwk", "is not an object");
  const text = (name) => {
    const value = jwk.get(name) ?? null;
    if (value !== null && typeof value !== "string") wrong(name, "is not a text");
    return value;
  };
  const kty = text("kty") ?? wrong("kty", "is missing");
  const secret = (PRIVATE.get(kty) ?? []).find((name) => jwk.has(name));
  if (secret) {
    wrong(secret, "is a member of private keys; expected the public half alone. Whoever has this file may have the key: if it signs anything, revoke it and roll it over");
  }
  if (kty === "oct") return 'kty is "oct", a secret, which has no place in a keyring that is published';
  if (kty !== "RSA") return `kty is ${JSON.stringify(kty)}`;
  if ((text("use") ?? "sig") !== "sig") return `use is ${JSON.stringify(text("use"))}`;
  const acts = jwk.get("key_ops") ?? null;
  if (acts !== null && !(Array.isArray(acts) && acts.every((act) => typeof act === "string"))) wrong("key_ops", "is not an array of texts");
  if (acts !== null && !acts.includes("verify")) return 'key_ops has no "verify"';
  const alg = jwk.get("alg");
  return typeof alg === "string" && !Object.hasOwn(ALGORITHMS, alg) ? `alg is ${JSON.stringify(alg)}` : null;
}

async function readKey(jwk, wrong) {
  const [kid, kty, alg, nbf, exp] = ["kid", "kty", "alg", "nbf", "exp"].map((name) => jwk.get(name));
  if (nameProblem(kid)) wrong("kid", nameProblem(kid));
  if (typeof alg !== "string" || !Object.hasOwn(ALGORITHMS, alg)) wrong("alg", "is not PS256 or RS256");
  const [n, e] = ["n", "e"].map((name) => numberOf(jwk, name, wrong));
  const bits = checkNumbers(n, e, wrong);
  for (const name of ["nbf", "exp"]) if (!isKeyTime(jwk.get(name))) wrong(name, "is not a time in whole seconds from 1970 to 9999");
  if (exp <= nbf) wrong("exp", "is not after nbf");
  const revoked = revocationOf(jwk, wrong);
  const endorsement = endorsementOf(jwk, wrong);
  const [encodedN, encodedE] = [toBase64Url(n), toBase64Url(e)];
  // What an endorsement of this key signs, and its fingerprint is the digest of.
  const statement = canonical(new Map(Object.entries({ alg, e: encodedE, exp, kid, kty, n: encodedN, nbf, use: "sig" })));
  const digest = await crypto.subtle.digest("SHA-256", bytesOf(statement));
  const publicKey = await crypto.subtle
    .importKey("jwk", { kty: "RSA", n: encodedN, e: encodedE }, ALGORITHMS[alg], false, ["verify"])
    .catch(() => wrong("n", "is not a usable RSA public key"));
  return {
    kid,
    alg,
    bits,
    nbf,
    exp,
    publicKey,
    numbers: `${encodedN}.${encodedE}`,
    fingerprint: `sha256:${hexadecimal(digest)}`,
    revoked,
    endorsement,
    statement,
  };
}

// Reads a JWK Set: its keys by their names, the latest window first, and with them (`skipped`) why others are none of them.
export async function parseKeyring(text) {
  try {
    return await readKeyring(text);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new KeyringError(error.message.startsWith("keyring: ") ? error.message : `keyring: ${error.message}`);
  }
}

async function readKeyring(text) {
  if (bytesOf(text).length > MAX_KEYRING_BYTES) throw new Refusal("keyring: is larger than 16 MiB");
  const set = parseRing(text);
  if (!(set instanceof Map) || !Array.isArray(set.get("keys"))) throw new Refusal("keyring: is not a JWK Set");
  const keys = new Map();
  const others = [];
  for (const [index, jwk] of set.get("keys").entries()) {
    const place = (member) => `keyring: keys[${index}]: ${member}`;
    const wrong = (member, problem) => {
      throw new Refusal(`${place(member)}: ${problem}`);
    };
    const why = skipped(jwk, wrong);
    if (why) {
      others.push({ index, kid: jwk.get("kid") ?? null, why });
      continue;
    }
    const key = await readKey(jwk, wrong);
    if (keys.has(key.kid)) wrong("kid", `${key.kid} stands there twice; expected each key once`);
    const same = [...keys.values()].find((other) => other.numbers === key.numbers);
    if (same) wrong("n", `is the key of ${same.kid} already; expected one name for one key`);
    keys.set(key.kid, key);
  }
  const latestFirst = [...keys.values()].sort((a, b) => b.nbf - a.nbf || (a.kid < b.kid ? 1 : -1));
  return Object.assign(new Map(latestFirst.map((key) => [key.kid, key])), { skipped: others });
}

// Whether a key made a signature over a text.
export async function madeBy(key, signature, text) {
  // RFC 8017, sections 8.1.2 and 8.2.2: it is exactly as long as the modulus. Some implementations take one without the zeros that it begins with.
  if (signature.length !== Math.ceil(key.bits / 8)) return false;
  try {
    return await crypto.subtle.verify(ALGORITHMS[key.alg], key.publicKey, signature, bytesOf(text));
  } catch {
    return false;
  }
}

// The key that endorsed this one, or why its endorsement is worth nothing.
async function follow(keys, key) {
  const { endorsement } = key;
  if (!endorsement) return { broken: `${key.kid} has no endorsement by an earlier key` };
  const { header } = endorsement;
  const by = keys.get(header.kid);
  const broken = (why) => ({ broken: `the endorsement of ${key.kid} by ${header.kid} is false: ${why}` });
  if (!by) return { broken: `${key.kid} is endorsed by ${header.kid}, which the keyring lacks` };
  // From whatever instant on: a thief gives what the key signs any date.
  if (by.revoked) return broken(`${by.kid} is revoked`);
  if (endorsement.payload !== key.statement) return broken("it endorses something else");
  if (header.alg !== by.alg || !(await madeBy(by, endorsement.signature, endorsement.signingInput))) return broken(`${by.kid} did not make it`);
  if (header.iat < by.nbf || header.iat >= by.exp) return broken("it was made outside of the endorser's window");
  return { by, iat: header.iat };
}

// The pinned key: by its fingerprint, which binds key, name, window and algorithm, and by nothing else.
export function pinnedKey(keys, pin) {
  const all = [...keys.values()];
  const pinned = all.find((key) => key.fingerprint === pin);
  if (pinned) return pinned;
  const problem = FINGERPRINT.test(pin)
    ? `No key of the keyring has the fingerprint ${pin}`
    : `${JSON.stringify(pin)} is not a fingerprint; expected sha256: and 64 lowercase hexadecimal digits`;
  const meant = all.filter((key) => key.kid === pin);
  const told = (meant.length > 0 ? meant : all).slice(0, MAX_TOLD).map((key) => `${key.kid} ${key.fingerprint}`);
  throw new PinError(
    `${problem}. The keyring says of itself: ${told.join(", ")}. Use one of these only after comparing it with the fingerprint that you noted, or had from elsewhere than this keyring`,
  );
}

// The way back from a key, link by link: to the pinned key, or as far as it goes when none is pinned.
export async function chainOf(keys, key, pinned) {
  const links = [];
  let link = key;
  for (let count = 0; count <= keys.size; count += 1) {
    if (link === pinned) return { links, broken: null };
    const { by, iat, broken } = await follow(keys, link);
    if (broken) return { links, broken };
    links.push({ endorsed: link, by, iat });
    link = by;
  }
  return { links, broken: `the endorsements of ${key.kid} go in a circle` };
}
