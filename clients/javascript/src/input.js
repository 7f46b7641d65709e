// What somebody pasted or dropped, taken apart as the command line does (crates/verify, cli/inputs): a checkpoint may stand alone, in an array, in a
// list of this service, or on a line of its own; an export's first line is no checkpoint. Everything else is taken for one, and found malformed: nothing
// is left out because of what stands beside it.

import { MAX_JSON_BYTES, Refusal, bytesOf, decoded, outline } from "./json.js";

const OF_A_CHECKPOINT = ["signature", "checkpoint_id", "ledger_id", "cumulative_hash"];
const OF_A_LIST = ["checkpoints", "next_page"];
// By these a list shows within its first characters.
const BEGINS_A_LIST = /^[ \t\r\n\f]*(?:\[|\{[ \t\r\n\f]*"(?:checkpoints|next_page)")/;
const SHOWN = 64;
const MAX_LIST_BYTES = 64 * 1024 * 1024;
const HAS_LINES = /\.(?:ndjson|jsonl)$/i;
// More than the white space of JSON: a form feed alone on a line is nothing either. What else Unicode calls a space is something.
const BLANK = /^[ \t\r\n\f]*$/;
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const isBetween = (text, least, most) => INTEGER.test(text) && BigInt(text) >= least && BigInt(text) <= most;
const isString = (text) => text.startsWith('"') && JSON.parse(text).isWellFormed();
const IS_OF_KIND = {
  text: isString,
  count: (text) => isBetween(text, 0n, 2n ** 64n - 1n),
  version: (text) => text === "1",
  // Seconds since 1970 of which the program knows a date.
  time: (text) => isBetween(text, -8334601228800n, 8210266876799n),
  any: () => true,
  textOrNull: (text) => text === "null" || isString(text),
  resumptions: (text) => outline(text).items?.every((item) => membersOf(item, RESUMPTION, { others: true })) ?? false,
};
const RESUMPTION = { after_rows: "count", newest_signed_at: "time", resumed_from: "time", by: "text", reason: "text" };
const HEADER = { record_export: "version", rows: "count", root: "text", keyring: "any" };
const MAY_BE_IN_A_HEADER = { clock_resumptions: "resumptions", environment: "textOrNull" };

// The members of an object by their names, as far as they are asked for; none when one of these stands there twice, or it is no object.
function once(text, isAskedFor = () => true) {
  const members = outline(text)?.members?.filter(([name]) => isAskedFor(name) || !name.isWellFormed());
  const named = new Map(members);
  return members && named.size === members.length ? named : null;
}

// The members of an object that has all of these, perhaps some of those that it may have, and no others; none of them twice.
function membersOf(text, all, { perhaps = {}, others = false } = {}) {
  const kinds = { ...all, ...perhaps };
  const members = once(text, (name) => !others || Object.hasOwn(kinds, name));
  if (!members || !Object.keys(all).every((name) => members.has(name))) return null;
  const isRight = ([name, value]) => name.isWellFormed() && (Object.hasOwn(kinds, name) ? IS_OF_KIND[kinds[name]](value) : others);
  return [...members].every(isRight) ? members : null;
}

// A JWK Set, which may have members of any name but those of a checkpoint and of a list: nothing hides in one.
function isKeyring(text) {
  const members = (text.isWellFormed() && outline(text)?.members) || [];
  const isOther = ([name]) => [...OF_A_CHECKPOINT, ...OF_A_LIST].includes(name);
  return members.some(([name, value]) => name === "keys" && value.startsWith("[")) && !members.some(isOther);
}

// The checkpoints of an array, or of a list with the members of one and none of them twice.
function listOf(text) {
  if (!BEGINS_A_LIST.test(text.slice(0, SHOWN))) return null;
  if (text.length > MAX_LIST_BYTES || bytesOf(text).length > MAX_LIST_BYTES) {
    throw new Refusal(`is a list of more than ${MAX_LIST_BYTES} bytes, which is the most that is read as one; expected one checkpoint a line, without a bound`);
  }
  const found = text.isWellFormed() ? outline(text) : null;
  if (!found?.members) return found?.items ?? null;
  const members = once(text);
  if (!members || ![...members.keys()].every((name) => OF_A_LIST.includes(name))) return null;
  const list = members.get("checkpoints");
  return list === undefined ? null : outline(list).items ?? null;
}

// Whether these lines are one text each: where the first is JSON, or is broken and followed by an object.
function isOneEach(text, [first, second]) {
  return outline(first) !== null || (second.startsWith("{") && outline(text) === null);
}

// An export's first line has a bound, as the lines behind it have.
const headerIn = (line) => (line.isWellFormed() && bytesOf(line).length <= MAX_JSON_BYTES ? membersOf(line, HEADER, { perhaps: MAY_BE_IN_A_HEADER }) : null);

function partsOf(text, hasLines) {
  const found = { checkpoints: [], keyrings: [], isExport: false };
  const list = hasLines ? null : listOf(text);
  if (list) return { ...found, checkpoints: list };
  const lines = text.split("\n");
  const at = lines.findIndex((line) => !BLANK.test(line));
  if (at < 0) return found;
  const header = headerIn(lines[at]);
  if (header) {
    // There, a line without anything in it is one on which a row should stand.
    const rows = lines.slice(at + 1);
    if (rows.at(-1) === "") rows.pop();
    const keyring = header.get("keyring");
    return { checkpoints: rows, keyrings: isKeyring(keyring) ? [keyring] : [], isExport: true };
  }
  if (!hasLines && isKeyring(text)) return { ...found, keyrings: [text] };
  const filled = lines.filter((line) => !BLANK.test(line));
  if (filled.length === 1 || hasLines) return { ...found, checkpoints: filled };
  // What is no more than blank before the second line is none of a text over several lines.
  const [first, second] = filled;
  const whole = [first, ...lines.slice(lines.indexOf(second, lines.indexOf(first) + 1))].join("\n");
  return { ...found, checkpoints: isOneEach(whole, filled) ? filled : [whole] };
}

// A line that is not UTF-8 takes nothing away from the others: until all is taken apart, each of its bytes beyond ASCII stands there as half of a
// surrogate pair, which no UTF-8 makes.
const HALF = 0xdc00;
const NOT_ASCII = 0x80;
const NEWLINE = 0x0a;

function textInHalves(bytes) {
  const all = decoded(bytes);
  if (all !== null) return all;
  const lines = [];
  for (let start = 0; start <= bytes.length; ) {
    const end = bytes.indexOf(NEWLINE, start);
    const line = bytes.subarray(start, end < 0 ? bytes.length : end);
    lines.push(decoded(line) ?? Array.from(line, (byte) => String.fromCharCode(byte < NOT_ASCII ? byte : HALF + byte)).join(""));
    start += line.length + 1;
  }
  return lines.join("\n");
}

// The bytes again of what is not UTF-8; of lines between which others stand, as well.
function outOfHalves(text) {
  if (text.isWellFormed()) return text;
  const lines = text.split("\n").map((line) => (line.isWellFormed() ? bytesOf(line) : Uint8Array.from(line, (half) => half.charCodeAt(0) & 0xff)));
  const whole = new Uint8Array(lines.reduce((length, line) => length + line.length + 1, -1)).fill(NEWLINE);
  let at = 0;
  for (const line of lines) {
    whole.set(line, at);
    at += line.length + 1;
  }
  return whole;
}

// The checkpoints in a text or in the bytes of one, each as a text, or as bytes where it is not UTF-8; and a keyring where it is one, or where the
// first line of an export has one. `isExport` says that the checkpoints are rows of an export, of which nobody has checked here that they are
// all, and in their order. The name of its file says where each stands on a line, whatever the text looks like: `.ndjson` or `.jsonl`.
export function takeApart(given, name = "") {
  const hasLines = HAS_LINES.test(name);
  if (typeof given === "string") return partsOf(given, hasLines);
  const parts = partsOf(textInHalves(new Uint8Array(given)), hasLines);
  return { ...parts, checkpoints: parts.checkpoints.map(outOfHalves) };
}
