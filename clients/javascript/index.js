// Verifies published checkpoints: the modules that the page for auditors verifies with, as a library.

import { Refusal, bytesOf, textOf } from "./src/json.js";
import { KeyringError, parseKeyring, pinnedKey } from "./src/keyring.js";
import { explain } from "./src/explain.js";
import { seenTogether } from "./src/together.js";
import { visible } from "./src/visible.js";
import { verifyPublished } from "./src/verify.js";

export { takeApart } from "./src/input.js";
export { KeyringError, PinError } from "./src/keyring.js";
export { Refusal } from "./src/json.js";

const isBytes = (given) => given instanceof Uint8Array || given instanceof ArrayBuffer;

// A keyring that was read once, for many calls.
export class Keyring {
  #keys;

  constructor(keys) {
    this.#keys = keys;
  }

  // Reads a JWK Set: what /.well-known/jwks.json and `keys export` give.
  static async parse(jwks) {
    if (typeof jwks !== "string" && !isBytes(jwks)) {
      throw new TypeError("keyring: expected the text or the bytes of a JWK Set, as they were published: an object that was parsed has lost what stood there twice");
    }
    if (typeof jwks === "string") return new Keyring(await parseKeyring(jwks));
    let text;
    try {
      text = textOf(jwks);
    } catch (error) {
      throw error instanceof Refusal ? new KeyringError(`keyring: ${error.message}`) : error;
    }
    return new Keyring(await parseKeyring(text));
  }

  // Its keys, as they are known here, the latest window first.
  get keys() {
    return [...this.#keys.values()].map(({ kid, alg, bits, nbf, exp, fingerprint, revoked }) => ({ kid, alg, bits, nbf, exp, fingerprint, revoked }));
  }

  // The keys of kinds that are not known here, which are none of this keyring (RFC 7517, section 5).
  get skipped() {
    return [...this.#keys.skipped];
  }

  // For verify, in this module alone.
  static mapOf(keyring) {
    return keyring.#keys;
  }
}

async function verdictOn(published, keys, pin) {
  if (typeof published !== "string" && !isBytes(published)) {
    throw new TypeError("checkpoints: expected texts or bytes, as they were published: an object that was parsed has lost what stood there twice, and how its numbers were written");
  }
  // What is no Unicode would be changed by being written as UTF-8.
  if (typeof published === "string" && !published.isWellFormed()) return { kind: "MALFORMED", problem: "json: has half of a surrogate pair" };
  return verifyPublished(keys, published, pin);
}

function told(found) {
  const { kind, published = null, header = null, key = null } = found;
  return {
    kind,
    explanation: explain(found),
    keyId: header?.kid ?? null,
    algorithm: header?.alg ?? null,
    signedAt: header?.iat ?? null,
    fingerprint: key?.fingerprint ?? null,
    payload: published ? bytesOf(published.payload) : null,
    members: published?.members ?? null,
  };
}

// What is asked for by another name would not be heeded, and so more would be believed than was meant.
function pinOf(options) {
  const prototype = typeof options === "object" && options !== null ? Object.getPrototypeOf(options) : undefined;
  // An object of another realm has another Object.prototype, which has no prototype either.
  const isPlain = prototype === null || (prototype !== undefined && Object.getPrototypeOf(prototype) === null);
  if (!isPlain || Array.isArray(options)) {
    throw new TypeError("options: expected an object that may have pin, as in verify(checkpoints, keyring, { pin: \"sha256:...\" }), or nothing");
  }
  const unknown = Reflect.ownKeys(options).find((name) => name !== "pin");
  if (unknown !== undefined) throw new TypeError(`options: ${visible(String(unknown))} is not known; expected pin, and nothing else`);
  const { pin = null } = options;
  if (pin !== null && typeof pin !== "string") throw new TypeError("pin: expected a fingerprint, sha256: and 64 lowercase hexadecimal digits, or none");
  return pin;
}

// Verifies published checkpoints, one or many, and what they say of each other. `pin` is the fingerprint of the one key to believe.
export async function verify(checkpoints, keyring, options = {}) {
  const pin = pinOf(options);
  const ring = keyring instanceof Keyring ? keyring : await Keyring.parse(keyring);
  const keys = Keyring.mapOf(ring);
  // A pin that is none of the keyring is refused, whatever there is to verify.
  if (pin !== null) pinnedKey(keys, pin);
  const isOne = typeof checkpoints === "string" || isBytes(checkpoints);
  const found = [];
  for (const published of isOne ? [checkpoints] : checkpoints) found.push(await verdictOn(published, keys, pin));
  const { findings, copies } = seenTogether(found);
  // Of none, nothing was checked.
  const valid = found.length > 0 && found.every(({ kind }) => kind === "VALID") && findings.every(({ finding }) => finding === "GAP");
  return { valid, verdicts: found.map(told), findings, copies, skipped: ring.skipped };
}
