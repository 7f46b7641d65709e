// What is said of verdicts, and of two checkpoints that are each genuine.

import { visible } from "../../../clients/javascript/src/visible.js";
import { count, moment, phrase, technical, told, windowOf } from "./language.js";
import { nameOfLedger } from "./money.js";

// In the order of what a reader has to know first.
export const KINDS = ["VALID", "INVALID_SIGNATURE", "UNKNOWN_KEY", "OUTSIDE_VALIDITY", "KEY_REVOKED", "ALGORITHM_MISMATCH", "MALFORMED"];

const isByFile = ({ kind, ring }) => kind === "VALID" && ring && !ring.isSite;

// The shortest word for a verdict.
export const titleOf = (verdict) => {
  if (verdict.isContradicted) return phrase("contradicted_title");
  return isByFile(verdict) ? phrase("VALID_by_title", { ring: nameOfPart(verdict.ring) }) : phrase(`${verdict.kind}_title`);
};

// The sentence of a verdict for a donor.
export function sentenceOf({ kind, key, header, untrusted, problem, isContradicted }) {
  if (kind === "MALFORMED") return told("MALFORMED_sentence", { problem: technical(problem) });
  const values = { key: key?.kid ?? header.kid, at: moment(header.iat) };
  if (isContradicted) return told("contradicted_sentence", values);
  if (kind === "UNKNOWN_KEY" && untrusted) return told("UNKNOWN_KEY_untrusted", { ...values, problem: technical(untrusted) });
  if (kind === "KEY_REVOKED") {
    const { at, reason } = key.revoked;
    return told(reason ? "KEY_REVOKED_reason" : "KEY_REVOKED_sentence", { ...values, since: moment(at), reason });
  }
  if (kind === "OUTSIDE_VALIDITY") return told("OUTSIDE_VALIDITY_sentence", { ...values, window: windowOf(key) });
  if (kind === "ALGORITHM_MISMATCH") return told("ALGORITHM_MISMATCH_sentence", { ...values, found: header.alg, expected: key.alg });
  return told(`${kind}_sentence`, values);
}

// Where something came from: a file, or the text.
export const nameOfPart = ({ name }) => (name === null ? phrase("pasted") : visible(name));

export const isFault = ({ finding }) => finding !== "GAP";
export const findingTitle = ({ finding }) => phrase(`${finding}_title`);

export function findingSentence({ finding, checkpoints, days }, verdicts) {
  const [one, other] = checkpoints.map((place) => verdicts[place].published.members);
  const name = nameOfLedger(one);
  const timeOf = (members) => moment(Date.parse(members.get("timestamp")) / 1000);
  return told(`${finding}_sentence`, {
    ledger: name ? phrase("ledger_named", { name, id: one.get("ledger_id") }) : one.get("ledger_id"),
    one: one.get("checkpoint_id"),
    other: other.get("checkpoint_id"),
    at: timeOf(one),
    later: timeOf(other),
    count: finding === "GAP" ? days : count(one.get("entry_count")),
    fewer: other.get("entry_count"),
  });
}
