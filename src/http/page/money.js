// Money in its currency's own form, and organisations by their names, where a checkpoint has them.

import { visible } from "../../../clients/javascript/src/visible.js";
import { count, element, localeNow, phrase, told } from "./language.js";

const MAX_ORGANISATIONS = 20;
const MAX_NAME = 120;

// A currency whose smallest unit is known: otherwise a guess would be wrong by a hundred.
function isCurrency(given) {
  return typeof given === "string" && Intl.supportedValuesOf("currency").includes(given);
}

// The currency of the whole: its own, or the one that all of its organisations have.
export function currencyOf(members) {
  if (members.has("currency")) return isCurrency(members.get("currency")) ? members.get("currency") : null;
  const all = new Set(members.get("organization_summaries").map((summary) => summary.get("currency")));
  const [only] = all;
  return all.size === 1 && isCurrency(only) ? only : null;
}

// An amount of minor units, such as cents. In digits, so that no sum is too large to be exact.
export function amountOf(minor, currency) {
  const format = new Intl.NumberFormat(localeNow(), { style: "currency", currency });
  const places = format.resolvedOptions().maximumFractionDigits;
  const digits = String(Math.abs(minor)).padStart(places + 1, "0");
  const cut = digits.length - places;
  return format.format(`${minor < 0 ? "-" : ""}${digits.slice(0, cut)}${places > 0 ? `.${digits.slice(cut)}` : ""}`);
}

const isText = (value) => typeof value === "string" && value.trim() !== "";
const cutName = (name) => visible(name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}\u2026` : name);

// The name of the organisation whose ledger it is, if the checkpoint has one.
export function nameOfLedger(members) {
  const own = members.get("organization_summaries").find((summary) => summary.get("organization_id") === members.get("ledger_id"));
  return own && isText(own.get("name")) ? cutName(own.get("name")) : null;
}

function organisation(summary, otherwise) {
  const [name, id, entries, volume, own] = ["name", "organization_id", "entry_count", "total_volume", "currency"].map((member) => summary.get(member));
  const currency = isCurrency(own) ? own : own === undefined ? otherwise : null;
  const parts = [];
  if (Number.isInteger(entries)) parts.push(phrase("entries", { count: entries }));
  if (Number.isInteger(volume)) parts.push(currency ? amountOf(volume, currency) : phrase("organisation_minor", { amount: volume }));
  const shown = [name, id].find(isText);
  if (shown === undefined) return null;
  return element("li", {}, element("span", { className: "name" }, cutName(shown)), parts.length > 0 ? ` ${parts.join(", ")}` : null);
}

// The organisations of a checkpoint as a list, and how many there are; null where there are none to name.
export function organisationsOf(members) {
  const currency = isCurrency(members.get("currency")) ? members.get("currency") : null;
  const all = members.get("organization_summaries").map((summary) => organisation(summary, currency)).filter(Boolean);
  if (all.length === 0) return null;
  const more = all.length > MAX_ORGANISATIONS ? element("li", {}, told("organisations_more", { count: all.length - MAX_ORGANISATIONS })) : null;
  return { count: all.length, list: element("ul", { className: "organisations" }, ...all.slice(0, MAX_ORGANISATIONS), more) };
}

// The total: in money where the currency is known, and its name.
export function totalOf(members) {
  const [volume, currency] = [members.get("total_volume"), currencyOf(members)];
  return currency ? [phrase("fact_total"), amountOf(volume, currency)] : [phrase("fact_minor"), count(volume)];
}
