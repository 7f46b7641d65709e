// Keyrings that came with what is verified. What is verified never chooses whom to believe: a keyring from a file or a text
// is used only once the reader says so, and every verdict by it names it.

import { Refusal } from "../../../clients/javascript/src/json.js";
import { parseKeyring } from "../../../clients/javascript/src/keyring.js";
import { visible } from "../../../clients/javascript/src/visible.js";
import { element } from "./words.js";

const MAX_NAMED = 5;

// How many keys of a keyring were skipped, as a sentence behind others; nothing when none was.
export function skippedOf({ skipped }) {
  if (skipped.length === 0) return "";
  const shown = skipped.slice(0, MAX_NAMED).map(({ kid, why }) => (typeof kid === "string" ? `${kid}: ${why}` : why)).join("; ");
  const more = skipped.length > MAX_NAMED ? "; and others" : "";
  return ` ${keysOf(skipped.length)} of ${skipped.length === 1 ? "a kind that is" : "kinds that are"} not known here ${skipped.length === 1 ? "was" : "were"} skipped (${shown}${more}).`;
}

const keysOf = (count) => `${count} ${count === 1 ? "key" : "keys"}`;

// The keyrings in what was given, each with where it stands; the same one twice is one.
export async function readRings(parts) {
  const rings = new Map();
  for (const { name, keyrings } of parts) {
    for (const text of keyrings) {
      try {
        rings.set(`${name}\n${text}`, { id: `${name}\n${text}`, name, keys: await parseKeyring(text), isSite: false });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        throw new Refusal(`${name}: ${error.message}`);
      }
    }
  }
  return [...rings.values()];
}

// Whom a verdict is by; nothing more is said of the site's own keyring.
export const byRing = (ring) => (ring.isSite ? "" : ` by the keyring in ${visible(ring.name)}, which you chose`);

const modulusOf = ({ statement }) => JSON.parse(statement).n;

// How the keys of a file differ from the site's, in sentences.
function differences(keys, site) {
  const found = [];
  for (const key of keys.values()) {
    const known = site.get(key.kid);
    if (!known) found.push(`${key.kid} is not among this site's keys`);
    else if (modulusOf(known) !== modulusOf(key)) found.push(`${key.kid} is another key than this site's of that name`);
    else if (known.fingerprint !== key.fingerprint) found.push(`${key.kid} has another window or algorithm than this site says`);
    else if ((known.revoked?.at ?? null) !== (key.revoked?.at ?? null)) found.push(`${key.kid} is withdrawn at another time, or in one of the two only`);
  }
  return found;
}

function describe(ring, site) {
  return `${compare(ring, site)}${skippedOf(ring.keys)}`;
}

function compare(ring, site) {
  if (ring.isSite) return `${keysOf(ring.keys.size)}, as this site publishes them.`;
  const count = keysOf(ring.keys.size);
  const names = [...ring.keys.values()].slice(0, MAX_NAMED).map(({ kid, fingerprint }) => `${kid} (${fingerprint})`).join(", ");
  const more = ring.keys.size > MAX_NAMED ? `, and ${ring.keys.size - MAX_NAMED} more` : "";
  if (!site) return `${count}: ${names}${more}. There is nothing here to compare them with.`;
  const found = differences(ring.keys, site.keys);
  const missing = [...site.keys.keys()].filter((kid) => !ring.keys.has(kid));
  const told = found.slice(0, MAX_NAMED).join("; ");
  const rest = found.length > MAX_NAMED ? `; and ${found.length - MAX_NAMED} more` : "";
  const lacks = missing.length > 0 ? ` It lacks ${keysOf(missing.length)} of this site's.` : "";
  if (found.length === 0) return `${count}: ${names}${more}. None differs from this site's.${lacks}`;
  return `${count}, ${found.length} of them not as on this site: ${told}${rest}.${lacks}`;
}

// Draws the choice: the site's keyring, if there is one, and those that were given. Nothing is chosen for the reader but
// the site's.
export function drawRings(place, site, rings, believed, choose) {
  const all = site ? [site, ...rings] : rings;
  place.hidden = rings.length === 0;
  const drawn = all.map(({ id }) => id).join("\u0000");
  if (place.drawn !== drawn) {
    place.drawn = drawn;
    const items = all.map((ring, index) => {
      const input = element("input", { type: "radio", name: "ring", id: `ring-${index}`, value: String(index), "aria-describedby": `ring-${index}-keys` });
      input.addEventListener("change", () => choose(ring));
      const label = element("label", {}, ring.isSite ? "The keyring of this site" : `The keyring in ${visible(ring.name)}`);
      label.htmlFor = input.id;
      return element("div", { className: "ring" }, input, label, element("p", { id: `ring-${index}-keys`, className: "hint" }, visible(describe(ring, site))));
    });
    place.replaceChildren(element("legend", {}, "Whose keys to believe"), ...items);
  }
  place.querySelectorAll("input").forEach((input, index) => {
    input.checked = all[index] === believed || all[index].id === believed?.id;
  });
}
