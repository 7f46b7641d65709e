// What the page says: verdicts for a donor, times, and elements to put them in.

const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });
const TIME = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });

// Seconds since 1970, as a day where it is midnight.
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  const day = DATE.format(date);
  return seconds % 86_400 === 0 ? day : `${day}, ${TIME.format(date)} UTC`;
}

// Controls, ends of lines and what Unicode calls format characters (directions, joiners): written out, as the core's visible.rs does.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
export const visible = (text) => String(text).replace(UNSEEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);

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
export const titleOf = (verdict) => (isByFile(verdict) ? `Genuine by ${visible(verdict.ring.name)}` : VERDICTS[verdict.kind][0]);
export const sentenceOf = (verdict) => visible(VERDICTS[verdict.kind][1](verdict));

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
