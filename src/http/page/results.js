// The verdicts, shown: each with its sentence, the key, the chain to a pinned key, and the bytes that were signed.

import { toBase64Url } from "../../../clients/javascript/src/checkpoint.js";
import { bytesOf } from "../../../clients/javascript/src/json.js";
import { hexadecimal } from "../../../clients/javascript/src/keyring.js";
import { code, count, element, moment, phrase, technical, told, windowOf } from "./language.js";
import { nameOfLedger, organisationsOf, totalOf } from "./money.js";
import { KINDS, findingSentence, findingTitle, isFault, nameOfPart, sentenceOf, titleOf } from "./words.js";

const MAX_SHOWN = 100;
const MAX_EXCERPT = 2000;
const MAX_DIFFERENCES = 20;
const MAX_VALUE = 200;

const fact = (word, ...value) => ({ name: phrase(word), value });
const long = (word, ...value) => ({ ...fact(word, ...value), isLong: true });

function facts(rows) {
  const list = element("dl");
  for (const { name, value, isLong } of rows.filter(Boolean)) list.append(element("div", { className: isLong ? "long" : "" }, element("dt", {}, name), element("dd", {}, ...value)));
  return list;
}

// Only a key that made the signature has signed anything: before that, the header alone says so.
const IS_SIGNED = new Set(["VALID", "OUTSIDE_VALIDITY", "KEY_REVOKED"]);

function content(verdict) {
  const { kind, published, header, key } = verdict;
  const { members } = published;
  const [isSigned, organisation, organisations] = [IS_SIGNED.has(kind), nameOfLedger(members), organisationsOf(members)];
  const [total, amount] = totalOf(members);
  const rows = [
    fact("fact_ledger", organisation ? `${organisation} ` : null, code(members.get("ledger_id"))),
    fact("fact_checkpoint", code(members.get("checkpoint_id"))),
    fact("fact_state", moment(Date.parse(members.get("timestamp")) / 1000)),
    fact("fact_entries", count(members.get("entry_count"))),
    { name: total, value: [amount] },
    fact(isSigned ? "fact_signed_by" : "fact_says_signed_by", code(header.kid), `, ${header.alg}`),
    fact(isSigned ? "fact_signed_on" : "fact_says_signed_on", moment(header.iat)),
    key ? fact("fact_window", windowOf(key)) : null,
    organisations ? { name: phrase("organisations", { count: organisations.count }), value: [organisations.list], isLong: true } : null,
    key ? long("fact_fingerprint", code(key.fingerprint)) : null,
    long("fact_hash", code(members.get("cumulative_hash"))),
  ];
  const unconfirmed = verdict.isContradicted ? "says_contradicted" : "says_unconfirmed";
  return element("section", {}, element("h4", {}, told(isWell(verdict) ? "says" : unconfirmed)), facts(rows));
}

function chain({ chain: way, key, pinned }) {
  if (!key) return null;
  const links = way.links.map(({ endorsed, by, iat }) => element("li", {}, told("endorsed", { key: code(endorsed.kid), by: code(by.kid), at: moment(iat) })));
  let end = null;
  if (pinned && !way.broken) end = key === pinned ? told("is_trusted") : told("leads_to_it", { key: pinned.kid });
  else if (pinned) end = told("breaks", { problem: technical(way.broken) });
  else end = told(links.length > 0 ? "no_pin" : "no_pin_no_chain");
  const list = links.length > 0 ? element("ol", { className: "chain" }, ...links) : null;
  return element("section", { className: "way" }, element("h4", {}, told("why_this_key")), list, element("p", {}, end));
}

const box = (label, text) => element("pre", { tabIndex: 0, role: "region", "aria-label": phrase(label) }, text);

async function signedBytes({ published }) {
  const bytes = bytesOf(published.payload);
  const digest = crypto.subtle ? hexadecimal(await crypto.subtle.digest("SHA-256", bytes)) : "";
  return element(
    "details",
    {},
    element("summary", {}, told("bytes_title")),
    element("p", {}, told("bytes_payload", { count: bytes.length, digest: code(digest) })),
    box("bytes_payload_label", published.payload),
    element("p", {}, told("bytes_input")),
    box("bytes_input_label", published.signingInput),
    element("p", {}, told("bytes_signature")),
    box("bytes_signature_label", toBase64Url(published.jws.signature)),
  );
}

// Whether a verdict is good, and nothing genuine contradicts it.
export const isWell = ({ kind, isContradicted }) => kind === "VALID" && !isContradicted;

const shortened = (text) => (text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}\u2026` : text);

// In which members the two differ, and how: under each name, what the one says, and what the other.
function whatDiffers({ checkpoints }, verdicts) {
  const [one, other] = checkpoints.map((place) => JSON.parse(verdicts[place].published.payload));
  const valueOf = (members, name) => (Object.hasOwn(members, name) ? JSON.stringify(members[name]) : null);
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => valueOf(one, name) !== valueOf(other, name));
  // What is short says the most.
  const sizeOf = (name) => `${valueOf(one, name)}${valueOf(other, name)}`.length;
  names.sort((a, b) => sizeOf(a) - sizeOf(b));
  const value = (text) => element("dd", {}, text === null ? told("not_there") : code(shortened(text)));
  const rows = names.slice(0, MAX_DIFFERENCES).map((name) => element("div", {}, element("dt", {}, code(name)), value(valueOf(one, name)), value(valueOf(other, name))));
  return element("section", {}, element("h4", {}, told("what_differs")), element("dl", { className: "differences" }, ...rows));
}

// What shows when they are seen together. Each of the two is signed by itself.
function showFinding(finding, verdicts) {
  const mark = element("span", { className: "mark", "aria-hidden": "true" }, isFault(finding) ? "!" : "\u2026");
  const head = element("div", { className: "head" }, mark, element("div", {}, element("h3", {}, findingTitle(finding)), element("p", { className: "which" }, code(finding.finding))));
  const card = element("article", { className: isFault(finding) ? "verdict bad" : "card note" }, head, element("p", { className: "sentence" }, findingSentence(finding, verdicts)));
  if (isFault(finding)) card.append(whatDiffers(finding, verdicts));
  card.dataset.kind = finding.finding;
  return card;
}

function nameOfCheckpoint({ published }) {
  if (!published) return [];
  const { members } = published;
  const ledger = nameOfLedger(members) ?? code(members.get("ledger_id"));
  return told("of_ledger", { id: code(members.get("checkpoint_id")), ledger });
}

export async function showVerdict(verdict) {
  const isGood = isWell(verdict);
  const mark = element("span", { className: "mark", "aria-hidden": "true" }, isGood ? "\u2713" : "!");
  const name = nameOfCheckpoint(verdict);
  const which = element("p", { className: "which" }, code(verdict.kind), name.length > 0 ? " \u00b7 " : null, name);
  const head = element("div", { className: "head" }, mark, element("div", {}, element("h3", {}, titleOf(verdict)), which));
  const read = () => element("details", {}, element("summary", {}, told("what_was_read")), box("what_was_read", verdict.text.slice(0, MAX_EXCERPT)));
  const parts = verdict.published ? [content(verdict), chain(verdict), await signedBytes(verdict)] : [read()];
  const by = verdict.ring && !verdict.ring.isSite ? element("p", { className: "by" }, told("judged_by_not_site", { ring: nameOfPart(verdict.ring) })) : null;
  const card = element("article", { className: isGood ? "verdict good" : "verdict bad" }, head, element("p", { className: "sentence" }, sentenceOf(verdict)), by);
  card.dataset.kind = verdict.kind;
  card.append(...parts.filter(Boolean));
  return card;
}

// A headline over all of them, and whose keys were believed where that is not a matter of course.
export function headlineOf(verdicts, findings) {
  const faults = findings.filter(isFault).length;
  const ring = verdicts[0]?.ring;
  const by = ring && !ring.isSite ? phrase("judged_by", { ring: nameOfPart(ring) }) : null;
  const counted = countsOf(verdicts);
  return [faults > 0 ? phrase("headline_contradiction", { count: faults }) : counted, faults > 0 ? counted : null, by].filter(Boolean);
}

// What it is, and of what; no end of a sentence, since a name may bring its own.
function headlineOfOne(verdict) {
  const title = titleOf({ ...verdict, ring: null });
  const which = nameOfCheckpoint(verdict).map((part) => part.textContent ?? part).join("");
  return which === "" ? title : phrase("headline_one", { title, which });
}

function countsOf(verdicts) {
  if (verdicts.length === 1) return headlineOfOne(verdicts[0]);
  const of = (kind) => verdicts.filter((verdict) => verdict.kind === kind).length;
  const [good, all] = [of("VALID"), verdicts.length];
  const signed = verdicts.some(({ isContradicted }) => isContradicted) ? "_signed" : "";
  const first = good === all ? phrase(`headline_all${signed}`, { count: all }) : phrase(`headline_some${signed}`, { count: good, all });
  const others = KINDS.slice(1).filter((kind) => of(kind) > 0).map((kind) => phrase(`${kind}_count`, { count: of(kind) }));
  return `${[first, others.join(", ")].filter(Boolean).join("; ")}.`;
}

// Faults between them come first, then those that are not genuine, and notes at last.
export async function showVerdicts(place, verdicts, findings) {
  const cards = (some) => some.slice(0, MAX_SHOWN).map((finding) => showFinding(finding, verdicts));
  const inTurn = [...verdicts.filter((verdict) => !isWell(verdict)), ...verdicts.filter(isWell)];
  const shown = await Promise.all(inTurn.slice(0, MAX_SHOWN).map(showVerdict));
  place.replaceChildren(...cards(findings.filter(isFault)), ...shown, ...cards(findings.filter((finding) => !isFault(finding))));
  if (inTurn.length > MAX_SHOWN) place.append(element("p", { className: "more" }, told("not_shown", { count: inTurn.length - MAX_SHOWN })));
}
