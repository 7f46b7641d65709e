// A published checkpoint and its detached JWS, taken apart: the rules of the core's checkpoint and jws.

import { Refusal, bytesOf, canonical, parseObject, textOf } from "./json.js";

const MAX_PAYLOAD_BYTES = 512 * 1024;
export const MAX_JWS_BYTES = 4096;
const MAX_INSTANT = 8_210_266_876_799;
const MIN_INSTANT = -8_334_601_228_800;
const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const HASH = /^sha256:[0-9a-f]{64}$/;

export const ALGORITHMS = {
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

function isIdentifier(value) {
  return typeof value === "string" && IDENTIFIER.test(value);
}

// Names that could be taken for a fingerprint or a thumbprint: the rule of the core's key/fingerprint.rs. Words; a hash's name before
// a colon; 43 characters of base64url alone or more behind a hash's name; 40 hexadecimal digits, or as many with separators.
const HASH_NAME = "(?:sha|shake|blake|md)[-_]?[0-9]";
const LIKE_FINGERPRINT = new RegExp(
  [
    "fingerprint|thumbprint",
    `(?:^|:)${HASH_NAME}.*:`,
    `(?:^|[:.])(?:[a-z0-9_-]{43}(?=$|[:.])|(?=${HASH_NAME})[a-z0-9_-]{44,})`,
    "[0-9a-f]{40}",
    "^(?:[0-9a-f][-:._]*){40,}$",
  ].join("|"),
  "i",
);

// What is wrong with the name of a key, or null.
export function nameProblem(value) {
  if (!isIdentifier(value)) return "is not an identifier";
  return LIKE_FINGERPRINT.test(value) ? "could be taken for the fingerprint or thumbprint of a key" : null;
}

function isTimestamp(value) {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)) return false;
  const date = new Date(value);
  return !Number.isNaN(date.getTime()) && date.getTime() >= 0 && date.toISOString() === value.replace("Z", ".000Z");
}

// Seconds since 1970 that the verifier's calendar has a date for.
function isInstant(value) {
  return Number.isInteger(value) && MIN_INSTANT <= value && value <= MAX_INSTANT;
}

const isObject = (value) => value instanceof Map;
const MEMBERS = [
  ["checkpoint_id", isIdentifier, "an identifier"],
  ["ledger_id", isIdentifier, "an identifier"],
  ["timestamp", isTimestamp, "whole seconds in UTC as YYYY-MM-DDTHH:MM:SSZ"],
  ["cumulative_hash", (value) => typeof value === "string" && HASH.test(value), "sha256: and 64 lowercase hexadecimal digits"],
  ["entry_count", (value) => Number.isInteger(value) && value >= 0, "an integer from 0 to 2^53-1"],
  ["total_volume", (value) => Number.isInteger(value), "an integer"],
  ["organization_summaries", (value) => Array.isArray(value) && value.every(isObject), "an array of objects"],
  ["signature", (value) => typeof value === "string", "a detached JWS"],
];

// The bytes of base64url without padding, in its one form (RFC 4648, section 3.5).
export function fromBase64Url(text, what) {
  if (/^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1) {
    const plain = text.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
    if (toBase64Url(bytes) === text) return bytes;
  }
  throw new Refusal(`${what}: is not base64url without padding`);
}

export function toBase64Url(bytes) {
  let binary = "";
  // In pieces: a call takes a limited number of arguments.
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function readHeader(encoded, wrong) {
  try {
    return parseObject(textOf(fromBase64Url(encoded, "base64url")));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return wrong(error.message);
  }
}

// A protected header of the expected type.
export function parseHeader(encoded, type) {
  const wrong = (problem) => {
    throw new Refusal(`signature header: ${problem}`);
  };
  const header = readHeader(encoded, wrong);
  if (header.has("crit")) wrong("crit asks for an extension; expected none");
  if (header.has("b64")) wrong("b64 says how the payload is written (RFC 7797); expected none");
  if (header.get("typ") !== type) wrong(`typ is not ${type}`);
  const [alg, iat, kid] = ["alg", "iat", "kid"].map((name) => header.get(name));
  if (typeof alg !== "string" || !Object.hasOwn(ALGORITHMS, alg)) wrong("alg is not PS256 or RS256");
  if (!isInstant(iat)) wrong("iat is not a time in whole seconds");
  if (nameProblem(kid)) wrong(`kid ${nameProblem(kid)}`);
  return { alg, iat, kid };
}

function parseDetached(compact) {
  if (bytesOf(compact).length > MAX_JWS_BYTES) throw new Refusal(`signature: has more than ${MAX_JWS_BYTES} bytes`);
  const dots = compact.indexOf("..");
  const [encodedHeader, signature] = [compact.slice(0, dots), compact.slice(dots + 2)];
  if (dots < 0 || encodedHeader.includes(".") || signature.includes(".") || signature === "") {
    throw new Refusal("signature: is not a detached JWS; expected header..signature");
  }
  const header = parseHeader(encodedHeader, "ledger-checkpoint+jws");
  return { encodedHeader, header, signature: fromBase64Url(signature, "signature") };
}

// A published checkpoint: its members, its signature, and the bytes that were signed.
export function parsePublished(text) {
  const members = parseObject(text);
  const faults = MEMBERS.filter(([name, fits]) => !fits(members.get(name)));
  if (faults.length > 0) {
    throw new Refusal(faults.map(([name, , expected]) => `${name}: ${members.has(name) ? "is not" : "is missing; expected"} ${expected}`).join("; "));
  }
  const compact = members.get("signature");
  members.delete("signature");
  const payload = canonical(members);
  const bytes = bytesOf(payload);
  if (bytes.length > MAX_PAYLOAD_BYTES) throw new Refusal(`checkpoint: has a payload of ${bytes.length} bytes; expected at most ${MAX_PAYLOAD_BYTES}`);
  const jws = parseDetached(compact);
  return { members, payload, jws, signingInput: `${jws.encodedHeader}.${toBase64Url(bytes)}` };
}
