// The key timeline: who signed when, who signs now, and what comes next.

import { code, element, moment, phrase, told, windowOf } from "./language.js";

const SVG = "http://www.w3.org/2000/svg";

function stateOf(key, now) {
  if (key.revoked) return "REVOKED";
  if (now < key.nbf) return "SCHEDULED";
  return now < key.exp ? "ACTIVE" : "RETIRED";
}

// Of the keys in force the one whose window opened last, as the service chooses.
function signingKey(keys, now) {
  return [...keys.values()].find((key) => stateOf(key, now) === "ACTIVE") ?? null;
}

function outlook(keys, now) {
  const signing = signingKey(keys, now);
  const later = [...keys.values()].filter((key) => stateOf(key, now) === "SCHEDULED").pop();
  const parts = signing ? told("outlook_signing", { key: code(signing.kid), until: moment(signing.exp) }) : told("outlook_none");
  if (later) parts.push(" ", ...told("outlook_later", { key: code(later.kid), at: moment(later.nbf) }));
  else if (signing) parts.push(" ", ...told("outlook_unpublished"));
  return parts;
}

function svg(name, attributes, ...content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function yearsBetween(from, until) {
  const [first, last] = [from, until].map((seconds) => new Date(seconds * 1000).getUTCFullYear());
  const step = Math.max(1, Math.ceil((last - first) / 6));
  const years = [];
  for (let year = first; year <= last + 1; year += step) years.push([year, Date.UTC(year, 0, 1) / 1000]);
  return years;
}

// Draws the keyring into a list; the words say everything that the bars show.
export function drawTimeline({ list, sentence, axis }, keys, now) {
  sentence.replaceChildren(...(keys.size > 0 ? outlook(keys, now) : told("outlook_empty")));
  list.replaceChildren();
  axis.replaceChildren();
  if (keys.size === 0) return;
  const all = [...keys.values()];
  const from = Math.min(...all.map((key) => key.nbf));
  const until = Math.max(...all.map((key) => key.exp));
  const share = (seconds) => ((Math.min(Math.max(seconds, from), until) - from) / (until - from)) * 100;
  const percent = (seconds) => `${share(seconds).toFixed(3)}%`;
  const isNowShown = from <= now && now <= until;
  const years = yearsBetween(from, until).filter(([, at]) => from <= at && at <= until);
  const grid = () => years.map(([, at]) => svg("line", { x1: percent(at), x2: percent(at), y1: 0, y2: "100%", class: "grid" }));
  const mark = () => (isNowShown ? [svg("line", { x1: percent(now), x2: percent(now), y1: 0, y2: "100%", class: "now" })] : []);
  const signing = signingKey(keys, now);
  for (const key of all) {
    const state = stateOf(key, now);
    const end = key.revoked ? Math.min(Math.max(key.revoked.at, key.nbf), key.exp) : key.exp;
    const bar = (start, stop, name) =>
      svg("rect", { x: percent(start), width: `${Math.max(share(stop) - share(start), 0.4)}%`, y: 7, height: 14, rx: 4, class: `bar ${name}` });
    const bars = end < key.exp ? [bar(key.nbf, key.exp, "withdrawn"), bar(key.nbf, end, "RETIRED")] : [bar(key.nbf, key.exp, state)];
    const notes = [
      element("span", {}, key.endorsement ? told("endorsed_by", { key: code(key.endorsement.header.kid) }) : told("no_endorsement")),
      key.revoked ? element("span", {}, told(key.revoked.reason ? "not_trusted_reason" : "not_trusted", { since: moment(key.revoked.at), reason: key.revoked.reason })) : null,
    ];
    list.append(
      element(
        "li",
        {},
        element("p", { className: "key" }, code(key.kid), " ", element("span", { className: `state ${key === signing ? "signing" : state}` }, told(`state_${key === signing ? "signing" : state}`))),
        svg("svg", { class: "track", height: 28, width: "100%", "aria-hidden": "true" }, ...grid(), ...bars, ...mark()),
        element("p", { className: "notes" }, element("span", {}, windowOf(key)), ...notes, element("span", {}, told("algorithm_bits", { algorithm: key.alg, bits: String(key.bits) }))),
        element("p", { className: "notes fingerprint" }, told("fingerprint", { fingerprint: code(key.fingerprint) })),
      ),
    );
  }
  const anchor = (at) => (share(at) < 6 ? "start" : share(at) > 94 ? "end" : "middle");
  axis.append(...years.map(([year, at]) => svg("text", { x: percent(at), y: 14, "text-anchor": anchor(at) }, String(year))));
  if (isNowShown) {
    axis.append(svg("text", { x: percent(now), y: 32, "text-anchor": anchor(now), class: "today" }, phrase("now")));
  }
}
