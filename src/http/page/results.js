// The verdicts, shown: each with its sentence, the key, the chain to a pinned key, and the bytes that were signed.

import { toBase64Url } from "../../../clients/javascript/src/checkpoint.js";
import { bytesOf } from "../../../clients/javascript/src/json.js";
import { hexadecimal } from "../../../clients/javascript/src/keyring.js";
import { byRing } from "./rings.js";
import { KINDS, code, element, findingSentence, findingTitle, isFault, moment, sentenceOf, titleOf, windowOf } from "./words.js";

const MAX_SHOWN = 100;
const MAX_EXCERPT = 2000;
const LONG = new Set(["Hash of the history", "Fingerprint of the key"]);

function facts(pairs) {
  const list = element("dl");
  for (const [name, ...value] of pairs) list.append(element("div", { className: LONG.has(name) ? "long" : "" }, element("dt", {}, name), element("dd", {}, ...value)));
  return list;
}

// Only a key that made the signature has signed anything: before that, the header alone says so.
const IS_SIGNED = new Set(["VALID", "OUTSIDE_VALIDITY", "KEY_REVOKED"]);

function content({ kind, published, header, key }) {
  const { members } = published;
  const number = (name) => members.get(name).toLocaleString("en-GB");
  return facts([
    ["Ledger", code(members.get("ledger_id"))],
    ["Checkpoint", code(members.get("checkpoint_id"))],
    ["State of", moment(Date.parse(members.get("timestamp")) / 1000)],
    ["Entries", number("entry_count")],
    ["Total, in minor units", number("total_volume")],
    [IS_SIGNED.has(kind) ? "Signed by" : "Says it is signed by", code(header.kid), `, ${header.alg}`],
    [IS_SIGNED.has(kind) ? "Signed on" : "Says it is signed on", moment(header.iat)],
    ...(key ? [["Time of the key", windowOf(key)], ["Fingerprint of the key", code(key.fingerprint)]] : []),
    ["Hash of the history", code(members.get("cumulative_hash"))],
  ]);
}

function chain({ chain: way, key, pinned }) {
  if (!key) return null;
  const links = way.links.map(({ endorsed, by, iat }) =>
    element("li", {}, code(endorsed.kid), " was endorsed by ", code(by.kid), ` on ${moment(iat)}; this holds.`));
  let end = null;
  if (pinned && !way.broken) end = key === pinned ? "It is the key that you trust." : `So the key that you trust, ${pinned.kid}, leads to it.`;
  else if (pinned) end = `Here it breaks: ${way.broken}.`;
  else end = links.length > 0 ? "You named no key to trust, so all of the keyring is believed." : "No earlier key endorsed this one, and you named no key to trust: all of the keyring is believed.";
  const list = links.length > 0 ? element("ol", { className: "chain" }, ...links) : null;
  return element("section", { className: "way" }, element("h4", {}, "Why this key"), list, element("p", {}, end));
}

async function signedBytes({ published }) {
  const bytes = bytesOf(published.payload);
  const digest = crypto.subtle ? hexadecimal(await crypto.subtle.digest("SHA-256", bytes)) : "";
  const box = (label, text) => element("pre", { tabIndex: 0, role: "region", "aria-label": label }, text);
  return element(
    "details",
    {},
    element("summary", {}, "Which bytes were signed"),
    element("p", {}, `The content without its signature, as RFC 8785 writes it: ${bytes.length.toLocaleString("en-GB")} bytes, SHA-256 `, code(digest), "."),
    box("The signed content", published.payload),
    element("p", {}, "The signature is over this text: the header, a dot, and the content, each in base64url (RFC 7515, section 5.1)."),
    box("The signing input", published.signingInput),
    element("p", {}, "The signature itself:"),
    box("The signature", toBase64Url(published.jws.signature)),
  );
}

// Whether a verdict is good, and nothing genuine contradicts it.
export const isWell = ({ kind, isContradicted }) => kind === "VALID" && !isContradicted;

// What shows when they are seen together. Each of the two is genuine by itself.
function showFinding(finding, verdicts) {
  const mark = element("span", { className: "mark", "aria-hidden": "true" }, isFault(finding) ? "!" : "\u2026");
  const head = element("div", { className: "head" }, mark, element("div", {}, element("h3", {}, findingTitle(finding)), element("p", { className: "which" }, code(finding.finding))));
  const card = element("article", { className: isFault(finding) ? "verdict bad" : "card note" }, head, element("p", { className: "sentence" }, findingSentence(finding, verdicts)));
  card.dataset.kind = finding.finding;
  return card;
}

export async function showVerdict(verdict) {
  const isGood = isWell(verdict);
  const name = verdict.published ? [code(verdict.published.members.get("checkpoint_id")), " of ", code(verdict.published.members.get("ledger_id"))] : [];
  const mark = element("span", { className: "mark", "aria-hidden": "true" }, isGood ? "\u2713" : "!");
  const head = element(
    "div",
    { className: "head" },
    mark,
    element("div", {}, element("h3", {}, titleOf(verdict)), element("p", { className: "which" }, code(verdict.kind), ...(name.length ? [" ", ...name] : []))),
  );
  const parts = verdict.published
    ? [content(verdict), chain(verdict), await signedBytes(verdict)]
    : [element("details", {}, element("summary", {}, "What was read"), element("pre", { tabIndex: 0, role: "region", "aria-label": "What was read" }, verdict.text.slice(0, MAX_EXCERPT)))];
  const by = verdict.ring && !verdict.ring.isSite ? element("p", { className: "by" }, `Judged${byRing(verdict.ring)}, and not by a keyring of this site.`) : null;
  const card = element("article", { className: isGood ? "verdict good" : "verdict bad" }, head, element("p", { className: "sentence" }, sentenceOf(verdict)), ...(by ? [by] : []));
  card.dataset.kind = verdict.kind;
  card.append(...parts.filter(Boolean));
  return card;
}

// A sentence over all of them.
export function summaryOf(verdicts, findings) {
  const faults = findings.filter(isFault);
  if (faults.length > 0) {
    const times = faults.length === 1 ? "in one way" : `in ${faults.length} ways`;
    return `Do not rely on these: checkpoints that are signed contradict each other ${times}. ${countsOf(verdicts)}`;
  }
  return countsOf(verdicts);
}

function countsOf(verdicts) {
  const by = verdicts[0]?.ring ? byRing(verdicts[0].ring) : "";
  const count = (kind) => verdicts.filter((verdict) => verdict.kind === kind).length;
  if (verdicts.length === 1) return `${titleOf(verdicts[0])}: ${verdicts[0].kind}${by}.`;
  const good = count("VALID");
  const signed = verdicts.some(({ isContradicted }) => isContradicted) ? "signed" : "genuine";
  if (good === verdicts.length) return `All ${good} checkpoints are ${signed}${by}.`;
  const others = KINDS.slice(1).filter((kind) => count(kind) > 0).map((kind) => `${count(kind)} ${kind}`);
  return `${good} of ${verdicts.length} checkpoints are ${signed}; ${others.join(", ")}${by}.`;
}

// Faults between them come first, then those that are not genuine, and notes at last.
export async function showVerdicts(place, verdicts, findings) {
  const cards = (some) => some.slice(0, MAX_SHOWN).map((finding) => showFinding(finding, verdicts));
  const inOrder = [...verdicts.filter((verdict) => !isWell(verdict)), ...verdicts.filter(isWell)];
  const shown = await Promise.all(inOrder.slice(0, MAX_SHOWN).map(showVerdict));
  place.replaceChildren(...cards(findings.filter(isFault)), ...shown, ...cards(findings.filter((finding) => !isFault(finding))));
  if (inOrder.length > MAX_SHOWN) {
    place.append(element("p", { className: "more" }, `${inOrder.length - MAX_SHOWN} more are counted above and not shown. For many files, checkpoint-signer verify writes a report.`));
  }
}
