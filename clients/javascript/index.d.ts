/** What a verification found, in the order of the checks; the names of the contract. */
export type VerdictKind =
  | "MALFORMED"
  | "UNKNOWN_KEY"
  | "ALGORITHM_MISMATCH"
  | "INVALID_SIGNATURE"
  | "OUTSIDE_VALIDITY"
  | "KEY_REVOKED"
  | "VALID";

/** A value of JSON as it is read here: objects are Maps, so that no name is special. */
export type JsonValue = null | boolean | number | string | JsonValue[] | Map<string, JsonValue>;

export interface Verdict {
  readonly kind: VerdictKind;
  /** A sentence for a person. Control characters in it are written out. */
  readonly explanation: string;
  /** The `kid` of the signature's header; null when malformed. Only with `VALID` has that key signed. */
  readonly keyId: string | null;
  readonly algorithm: "PS256" | "RS256" | null;
  /** The `iat` of the header, in seconds since 1970. */
  readonly signedAt: number | null;
  /** Of the key of that name in the keyring. */
  readonly fingerprint: string | null;
  /** The bytes of RFC 8785 that the signature is over; null when malformed. */
  readonly payload: Uint8Array | null;
  /** The checkpoint's members but its signature; null when malformed. */
  readonly members: Map<string, JsonValue> | null;
}

/** What two valid checkpoints of one ledger say of each other. `GAP` is a note, and no fault. */
export interface Finding {
  readonly finding: "SECOND_CONTENT" | "SECOND_HISTORY" | "ENTRY_COUNT_FELL" | "GAP";
  /** Their places among those that were given, from 0 on. */
  readonly checkpoints: readonly [number, number];
  /** Of a gap, how many days have none. */
  readonly days?: number;
}

/** A key of a kind that is not known here, which is none of the keyring (RFC 7517, section 5). */
export interface SkippedKey {
  /** Which of the set, from 0 on. */
  readonly index: number;
  readonly kid: JsonValue;
  readonly why: string;
}

export interface Key {
  readonly kid: string;
  readonly alg: "PS256" | "RS256";
  readonly bits: number;
  /** The first second, since 1970, at which it may sign. */
  readonly nbf: number;
  /** The first second at which it may no longer sign. */
  readonly exp: number;
  /** What to note, compare and pin: `sha256:` and 64 digits. */
  readonly fingerprint: string;
  readonly revoked: { readonly at: number; readonly reason: JsonValue } | null;
}

export interface Result {
  /** Whether each is valid, and none contradicts another one. Of none at all it is false: nothing was checked. */
  readonly valid: boolean;
  /** A verdict on each checkpoint, in their order. */
  readonly verdicts: Verdict[];
  readonly findings: Finding[];
  /** How many were there already, with the same content. */
  readonly copies: number;
  readonly skipped: SkippedKey[];
}

/** Text or bytes, as they were published. */
export type Published = string | Uint8Array | ArrayBuffer;

/** A keyring that was read once, for many calls. */
export class Keyring {
  private constructor();
  /** Reads a JWK Set: what `/.well-known/jwks.json` and `keys export` give. Rejects with `KeyringError`. */
  static parse(jwks: Published): Promise<Keyring>;
  /** The latest window first. */
  readonly keys: Key[];
  readonly skipped: SkippedKey[];
}

export interface Options {
  /** The fingerprint of the one key to believe, with those that its chain of endorsements leads to. */
  readonly pin?: string | null;
}

/**
 * Verifies published checkpoints, one or many, and what they say of each other. Nothing is asked, and no clock is read.
 *
 * Rejects with `TypeError` where something else is given, such as an option that is not known; with `KeyringError` or `PinError` where nothing can be verified; whatever is wrong with a checkpoint is a verdict.
 */
export function verify(checkpoints: Published | Iterable<Published>, keyring: Published | Keyring, options?: Options): Promise<Result>;

/**
 * The checkpoints in a text or in its bytes, as the command line takes it apart: each as a text, or as bytes where it is not UTF-8: one, an array, a list of `/v1/checkpoints`, or one on each line. `keyrings` has
 * one where the text is a keyring, or an export's first line has one; it is never believed by itself. `isExport` says that the checkpoints are the
 * rows of an export: whether they are all there, and in their order, is not checked here. `name` is that of the file it stood in, where there is one:
 * `.ndjson` and `.jsonl` say that each stands on a line.
 */
export function takeApart(given: Published, name?: string): { checkpoints: Array<string | Uint8Array>; keyrings: string[]; isExport: boolean };

/** Why something was refused; its message names what. */
export class Refusal extends Error {}
/** Why something is no keyring: it names the key and the member. */
export class KeyringError extends Refusal {}
/** Why a pin is none: it is no fingerprint, or that of no key of the keyring. */
export class PinError extends Refusal {}
