// Keyrings that came with what is verified. What is verified never chooses whom to believe: a keyring from a file or a text
// is used only once the reader says so, and every verdict by it names it.

import { Refusal } from "../../../clients/javascript/src/json.js";
import { parseKeyring } from "../../../clients/javascript/src/keyring.js";
import { element, languageNow, phrase, technical, told } from "./language.js";
import { nameOfPart } from "./words.js";

const MAX_NAMED = 5;

const keysOf = (number) => phrase("keys", { count: number });

// What there is of a list, as far as it is named.
function listed(parts, separator, total, rest) {
  const shown = parts.slice(0, MAX_NAMED);
  return [...shown, ...(total > shown.length ? [rest] : [])].join(separator);
}

// How many keys of a keyring were skipped, as a sentence behind others; nothing when none was.
export function skippedOf({ skipped }) {
  if (skipped.length === 0) return [];
  const each = skipped.slice(0, MAX_NAMED).map(({ kid, why }) => (typeof kid === "string" ? `${kid}: ${why}` : why));
  const more = skipped.length > MAX_NAMED ? [`; ${phrase("and_others")}`] : [];
  return [" ", ...told("skipped", { count: skipped.length, told: [technical(each.join("; ")), ...more] })];
}

// The keyrings in what was given, each with where it stands; the same one twice is one. What is none takes nothing away from the others:
// `broken` says what is wrong with each such one.
export async function readRings(parts) {
  const rings = new Map();
  const broken = [];
  for (const part of parts) {
    for (const text of part.keyrings) {
      const id = `${part.name}\n${text}`;
      try {
        rings.set(id, { id, name: part.name, keys: await parseKeyring(text), isSite: false });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        broken.push(`${nameOfPart(part)}: ${error.message}`);
      }
    }
  }
  return { rings: [...rings.values()], broken };
}

const modulusOf = ({ statement }) => JSON.parse(statement).n;

// How the keys of a file differ from the site's, in sentences.
function differences(keys, site) {
  const found = [];
  for (const key of keys.values()) {
    const known = site.get(key.kid);
    const differs = (word) => found.push(phrase(word, { key: key.kid }));
    if (!known) differs("differs_absent");
    else if (modulusOf(known) !== modulusOf(key)) differs("differs_key");
    else if (known.fingerprint !== key.fingerprint) differs("differs_window");
    else if ((known.revoked?.at ?? null) !== (key.revoked?.at ?? null)) differs("differs_revoked");
  }
  return found;
}

function compare(ring, site) {
  const keys = keysOf(ring.keys.size);
  if (ring.isSite) return phrase("ring_as_published", { keys });
  const each = [...ring.keys.values()].map(({ kid, fingerprint }) => `${kid} (${fingerprint})`);
  const more = (total) => phrase("and_more", { count: total - MAX_NAMED });
  const names = listed(each, ", ", each.length, more(each.length));
  if (!site) return phrase("ring_alone", { keys, names });
  const found = differences(ring.keys, site.keys);
  const missing = [...site.keys.keys()].filter((kid) => !ring.keys.has(kid)).length;
  const lacks = missing > 0 ? ` ${phrase("ring_lacks", { keys: keysOf(missing) })}` : "";
  if (found.length === 0) return `${phrase("ring_same", { keys, names })}${lacks}`;
  return `${phrase("ring_differs", { keys, count: found.length, told: listed(found, "; ", found.length, more(found.length)) })}${lacks}`;
}

// Draws the choice: the site's keyring, if there is one, and those that were given. Nothing is chosen for the reader but
// the site's.
export function drawRings(place, site, rings, believed, choose) {
  const all = site ? [site, ...rings] : rings;
  place.hidden = rings.length === 0;
  const drawn = [languageNow(), ...all.map(({ id }) => id)].join("\u0000");
  if (place.drawn !== drawn) {
    place.drawn = drawn;
    const items = all.map((ring, index) => {
      const input = element("input", { type: "radio", name: "ring", id: `ring-${index}`, value: String(index), "aria-describedby": `ring-${index}-keys` });
      input.addEventListener("change", () => choose(ring));
      const label = element("label", {}, ring.isSite ? told("ring_of_site") : told("ring_of_file", { name: nameOfPart(ring) }));
      label.htmlFor = input.id;
      return element("div", { className: "ring" }, input, label, element("p", { id: `ring-${index}-keys`, className: "hint" }, compare(ring, site), skippedOf(ring.keys)));
    });
    place.replaceChildren(element("legend", {}, told("rings_title")), ...items);
  }
  place.querySelectorAll("input").forEach((input, index) => {
    input.checked = all[index] === believed || all[index].id === believed?.id;
  });
}
