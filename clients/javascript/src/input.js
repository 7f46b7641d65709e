// What somebody pasted or dropped, taken apart: checkpoints, and keyrings among them. A checkpoint may stand alone, in an
// array, in a list of this service, or on a line of its own.

import { Refusal, outline } from "./json.js";

const EXPORT_MEMBERS = "keyring record_export root rows";
const OF_A_CHECKPOINT = ["signature", "checkpoint_id", "ledger_id", "cumulative_hash"];

// A keyring, a record's export (its first line has the keyring), a list, an array of these, or one checkpoint. What has a
// member of a checkpoint is one, whatever else it has: nothing hides it.
function sort(text, { value, texts }, found) {
  if (Array.isArray(value)) {
    // Inside of an array, an array is no checkpoint, and is told so.
    for (const item of texts(value)) {
      const inner = outline(item);
      if (Array.isArray(inner.value)) found.checkpoints.push(item);
      else sort(item, inner, found);
    }
    return;
  }
  const isOther = value instanceof Map && !OF_A_CHECKPOINT.some((name) => value.has(name));
  const array = (name) => isOther && Array.isArray(value.get(name));
  const keys = isOther && value.get("keyring") instanceof Map ? value.get("keyring").get("keys") : null;
  if (array("keys")) {
    found.keyrings.push(text);
  } else if (Array.isArray(keys) && [...value.keys()].sort().join(" ") === EXPORT_MEMBERS) {
    found.keyrings.push(`{"keys":[${texts(keys).join(",")}]}`);
  } else if (array("checkpoints")) {
    found.checkpoints.push(...texts(value.get("checkpoints")));
  } else {
    found.checkpoints.push(text);
  }
}

function tryOutline(text) {
  try {
    return outline(text);
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

// The texts of checkpoints and keyrings in a text. What is neither is taken for a checkpoint, and found malformed.
export function takeApart(text) {
  const found = { checkpoints: [], keyrings: [] };
  if (text.trim() === "") return found;
  const whole = tryOutline(text);
  if (whole) {
    sort(text, whole, found);
    return found;
  }
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const outlines = lines.map(tryOutline);
  // Lines that are no JSON stand for themselves only where others are: otherwise it is one text that is broken.
  if (!outlines.some((one) => one?.value instanceof Map)) return { ...found, checkpoints: [text] };
  lines.forEach((line, index) => {
    if (outlines[index]) sort(line, outlines[index], found);
    else found.checkpoints.push(line);
  });
  return found;
}
