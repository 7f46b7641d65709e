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

// ---- JSON of one meaning: what two readers could understand differently is refused ----

// JSON.parse takes the last of two members with one name, rounds integers, and takes half of a surrogate pair for a character.
function parseStrictly(bytes, most = 2 ** 20, values = 65545, largest = Number.MAX_SAFE_INTEGER, deepest = 16) {
  check(bytes.length <= most, `has more than ${most} bytes`);
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const value = JSON.parse(text);
  check(isObject(value), "is not an object");
  const names = [];
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d[\d.eE+-]*|true|false|null|[{}[\]]/g;
  for (const [token, isName] of text.matchAll(tokens)) {
    const told = token[0] === '"' ? JSON.parse(isName ? token.slice(0, -isName.length) : token) : "";
    check(told.isWellFormed(), "half of a surrogate pair is no character");
    if (isName) check(!names.at(-1).has(told), `${told} stands twice`);
    if (isName) names.at(-1).add(told);
    else if ("]}".includes(token)) names.pop();
    else check((values -= 1) >= 0, "has too many values");
    if ("[{".includes(token)) check(names.push(new Set()) <= deepest + 1, `nests deeper than ${deepest}`);
    if (/^[-\d]/.test(token)) check(Math.abs(Number(token)) <= largest, `${token} is beyond ${largest}`);
  }
  return value;
}

// ---- The forms of what stands in it ----

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (form) => (value) => typeof value === "string" && form.test(value);
const isWhole = (least, most) => (value) => Number.isInteger(value) && least <= value && value <= most;
const isIdentifier = isText(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/);
const isTimestamp = (value) => {
  const time = isText(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)(value) ? Date.parse(value) : NaN;
  return time >= 0 && new Date(time).toISOString() === value.replace("Z", ".000Z");
};
const FORMS = {
  checkpoint_id: isIdentifier,
  ledger_id: isIdentifier,
  timestamp: isTimestamp,
  cumulative_hash: isText(/^sha256:[0-9a-f]{64}$/),
  entry_count: isWhole(0, Number.MAX_SAFE_INTEGER),
  total_volume: Number.isInteger,
  organization_summaries: (value) => Array.isArray(value) && value.every(isObject),
};
const isKeyTime = isWhole(0, 253402300799); // until the end of 9999

// Names that no key may have: what could be taken for a fingerprint or a thumbprint.
const HASH = "(?:sha|shake|blake|md)[-_]?[0-9]";
const LIKE_FINGERPRINT = new RegExp(
  `fingerprint|thumbprint|(?:^|:)${HASH}.*:|(?:^|[:.])(?:[a-z0-9_-]{43}(?=$|[:.])|(?=${HASH})[a-z0-9_-]{44,})|[0-9a-f]{40}|^(?:[0-9a-f][-:._]*){40,}$`,
  "i",
);
function checkName(kid) {
  check(isIdentifier(kid), "kid is not the name of a key");
  check(!LIKE_FINGERPRINT.test(kid), "a key is named like a fingerprint");
}

// Base64url in its one form: others forgive padding, white space, and bits behind the last byte.
function decode(part, what) {
  const bytes = Buffer.from(String(part), "base64url");
  check(bytes.toString("base64url") === part, `${what} is not base64url without padding`);
  return bytes;
}

// ---- The keyring ----

// Private members (RFC 7518, section 6; RFC 8037; RFC 9864): a keyring that is published has none.
const PRIVATE = { RSA: ["d", "p", "q", "dp", "dq", "qi", "oth", "k"], EC: ["d"], OKP: ["d"], AKP: ["priv"] };
const ALGORITHMS = ["PS256", "RS256"];

// Whether a key is of the kind that signs here. The others are skipped (RFC 7517, section 5).
function isKnown(key) {
  check(isObject(key) && typeof key.kty === "string", "kty of a key is not a text");
  const secrets = Object.hasOwn(PRIVATE, key.kty) ? PRIVATE[key.kty] : [];
  check(!secrets.some((name) => Object.hasOwn(key, name)), "a private key stands in the keyring: whoever signs with it must roll it over");
  if (key.kty !== "RSA") return false;
  const [use, does] = [key.use ?? "sig", key.key_ops ?? ["verify"]];
  check(typeof use === "string", "use is not a text");
  if (use !== "sig") return false;
  check(Array.isArray(does) && does.every((one) => typeof one === "string"), "key_ops is not an array of texts");
  return does.includes("verify") && (typeof key.alg !== "string" || ALGORITHMS.includes(key.alg));
}

// The number without zeros before it, as a fingerprint has it.
const numberOf = (key, name) => decode(key[name], name).toString("hex").replace(/^(00)+/, "");

function checkKey(key) {
  checkName(key.kid);
  check(ALGORITHMS.includes(key.alg), "alg is not PS256 or RS256");
  check(isKeyTime(key.nbf) && isKeyTime(key.exp) && key.nbf < key.exp, "the key has no window");
  const { revoked_at: at, reason } = key.revoked ?? { revoked_at: 0 };
  check(isKeyTime(at) && typeof (reason ?? "") === "string", "revoked has no time, or a reason that is no text");
  const [n, e] = ["n", "e"].map((name) => BigInt(`0x0${numberOf(key, name)}`));
  const bits = n.toString(2).length;
  check(2048 <= bits && bits <= 8192 && 65537n <= e && e < 2n ** 33n && n % 2n === 1n && e % 2n === 1n, "is no RSA key for this");
}

function keysOf(keyring) {
  // Members that are not known may be larger than those of a checkpoint.
  const { keys: all } = parseStrictly(keyring, 2 ** 24, 2 ** 24, Number.MAX_VALUE, 99);
  const keys = all.filter(isKnown);
  const skipped = all.length - keys.length;
  if (skipped > 0) console.error(`${skipped} of ${all.length} keys were skipped, of kinds that are not known here`);
  keys.forEach(checkKey);
  const isOnce = (member) => new Set(keys.map(member)).size === keys.length;
  check(isOnce((key) => key.kid), "two keys of the keyring have one name");
  check(isOnce((key) => `${numberOf(key, "n")}.${numberOf(key, "e")}`), "one key of the keyring has two names");
  return keys;
}

function fingerprint(key) {
  const [n, e] = ["n", "e"].map((name) => Buffer.from(numberOf(key, name), "hex").toString("base64url"));
  const { alg, exp, kid, kty, nbf } = key;
  const bound = canonicalize({ alg, e, exp, kid, kty, n, nbf, use: "sig" });
  return `sha256:${createHash("sha256").update(bound).digest("hex")}`;
}

// ---- The verdict ----

async function verify(published, keyring, pin) {
  const keys = keysOf(keyring);
  const { signature: detached, ...checkpoint } = parseStrictly(published);
  for (const [name, hasForm] of Object.entries(FORMS)) check(Object.hasOwn(checkpoint, name) && hasForm(checkpoint[name]), `${name} is missing, or has not its form`);
  check(typeof detached === "string" && detached.length <= 4096, "the signature is missing, or too long");
  const [encodedHeader, empty, signature, ...rest] = detached.split(".");
  check(encodedHeader && empty === "" && signature && rest.length === 0, "the signature is not detached: expected header..signature");
  const { length } = decode(signature, "the signature");
  const header = parseStrictly(decode(encodedHeader, "the header of the signature"));
  check(header.typ === "ledger-checkpoint+jws", "it is signed as something else");
  check(ALGORITHMS.includes(header.alg), "alg of the header is not PS256 or RS256");
  check(isWhole(-8334601228800, 8210266876799)(header.iat), "iat of the header is not a time in whole seconds");
  check(!Object.hasOwn(header, "crit") && !Object.hasOwn(header, "b64"), "the header asks for an extension");
  checkName(header.kid);

  const jwk = keys.find((key) => key.kid === header.kid);
  check(jwk, `the keyring has no key ${header.kid}`);
  // RFC 8017, sections 8.1.2 and 8.2.2; libraries take one without the zeros that it begins with.
  check(length === numberOf(jwk, "n").length / 2, "the signature is not as long as the key");
  const payload = Buffer.from(canonicalize(checkpoint));
  check(payload.length <= 2 ** 19, "the content is too large");
  const { kty, n, e } = jwk;
  await flattenedVerify(
    { protected: encodedHeader, payload: payload.toString("base64url"), signature },
    await importJWK({ kty, n, e }, jwk.alg),
    { algorithms: [jwk.alg] },
  );
  check(jwk.nbf <= header.iat && header.iat < jwk.exp, "signed outside of the key's window");
  check(!jwk.revoked || header.iat < jwk.revoked.revoked_at, "signed when the key was not trusted any more");
  const found = fingerprint(jwk);
  check(pin === undefined || pin === found, `it was signed by ${jwk.kid} with the fingerprint ${found}, and not by the pinned key`);
  return `valid: signed by ${jwk.kid} (${found}) at ${header.iat} seconds since 1970`;
}

const [files, pins] = [process.argv.slice(2, 4), process.argv.slice(4)];
if (files.length !== 2 || pins.length > 1) {
  console.error("expected two files, and at most a fingerprint: published.json keyring.json [fingerprint]");
  process.exit(2);
}
const read = (path) => {
  try {
    return readFileSync(path);
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
