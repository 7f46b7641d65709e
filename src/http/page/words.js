// What the page says: verdicts for a donor, times, and elements to put them in.

import { visible } from "../../../clients/javascript/src/visible.js";

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });
const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });

// Seconds since 1970, as a day where it is midnight.
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  const day = DATE.format(date);
  return seconds % 86_400 === 0 ? day : `${day}, ${TIME.format(date)} UTC`;
}

export const windowOf = (key) => `${moment(key.nbf)} to ${moment(key.exp)}`;

// The shortest word for each verdict, whether it is good, and the sentence for a donor.
const VERDICTS = {
  VALID: ["Genuine", ({ key, header }) => `Signed by ${key.kid} on ${moment(header.iat)}, while that key was in force. Nothing in it was changed since.`],
  INVALID_SIGNATURE: ["Changed, or not signed like this", ({ key }) => `Do not rely on it. ${key.kid} did not sign this content: something in it differs from what was signed.`],
  UNKNOWN_KEY: [
    "Cannot be confirmed",
    ({ header, untrusted }) =>
      untrusted
        ? `The key ${header.kid} is in the keyring, but the key that you trust does not lead to it: ${untrusted}.`
        : `The keyring has no key named ${header.kid}. Either the keyring is older than this checkpoint, or somebody else signed it.`,
  ],
  OUTSIDE_VALIDITY: ["Signed at the wrong time", ({ key, header }) => `Do not rely on it. ${key.kid} signed it on ${moment(header.iat)}, when that key might not sign: its time was ${windowOf(key)}.`],
  KEY_REVOKED: ["Signed by a key that was withdrawn", ({ key, header }) => `Do not rely on it. ${key.kid} signed it on ${moment(header.iat)}, and is not trusted from ${moment(key.revoked.at)} on${key.revoked.reason ? `: ${key.revoked.reason}` : ""}.`],
  ALGORITHM_MISMATCH: ["Signed in the wrong way", ({ key, header }) => `Do not rely on it. Its signature says ${header.alg}, but ${key.kid} signs with ${key.alg} only.`],
  MALFORMED: ["Not a signed checkpoint", ({ problem }) => `It cannot be read as one. ${problem}.`],
};

export const KINDS = Object.keys(VERDICTS);
const isByFile = ({ kind, ring }) => kind === "VALID" && ring && !ring.isSite;
export const titleOf = (verdict) => {
  if (verdict.isContradicted) return "Signed, and contradicted by another one";
  return isByFile(verdict) ? `Genuine by ${visible(verdict.ring.name)}` : VERDICTS[verdict.kind][0];
};
export const sentenceOf = (verdict) => visible(VERDICTS[verdict.kind][1](verdict));

// What two checkpoints that are each genuine say of each other.
const nameOf = ({ published }) => published.members.get("checkpoint_id");
const ledgerOf = ({ published }) => published.members.get("ledger_id");
const countOf = ({ published }) => published.members.get("entry_count").toLocaleString("en-GB");
const timeOf = ({ published }) => moment(Date.parse(published.members.get("timestamp")) / 1000);
const FINDINGS = {
  SECOND_CONTENT: ["One name, two contents", ([one]) => `Ledger ${ledgerOf(one)} has two checkpoints named ${nameOf(one)} with different content. Each is signed, and only one of them can be true.`],
  SECOND_HISTORY: ["Two histories", ([one, other]) => `Ledger ${ledgerOf(one)} has two histories: ${nameOf(one)} and ${nameOf(other)} say something different of its first ${countOf(one)} entries. Each is signed, and only one of them can be true.`],
  ENTRY_COUNT_FELL: ["Entries are missing", ([one, other]) => `Ledger ${ledgerOf(one)} had ${countOf(one)} entries in ${nameOf(one)} (${timeOf(one)}), and only ${countOf(other)} in ${nameOf(other)} (${timeOf(other)}). A ledger never loses entries.`],
  GAP: ["Days without a checkpoint", ([one, other], days) => `Ledger ${ledgerOf(one)}: none among these for the ${days === 1 ? "day" : `${days} days`} between ${nameOf(one)} (${timeOf(one)}) and ${nameOf(other)} (${timeOf(other)}). That is no fault: it may not be here, or the ledger publishes more rarely.`],
};

export const isFault = ({ finding }) => finding !== "GAP";
export const findingTitle = ({ finding }) => FINDINGS[finding][0];
export const findingSentence = ({ finding, checkpoints, days }, verdicts) => visible(FINDINGS[finding][1](checkpoints.map((place) => verdicts[place]), days));

// An element with properties and content; text is always text.
export function element(name, properties = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...content.filter((part) => part !== null && part !== undefined));
  return made;
}

export const code = (text) => element("code", {}, visible(text));
