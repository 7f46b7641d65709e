// What somebody pasted or dropped, taken apart: checkpoints, and keyrings among them. A checkpoint may stand alone, in an
// array, in a list of this service, or on a line of its own.

import { Refusal, outline } from "./json.js";

// A keyring, a record's export (its first line has the keyring), a list, or one checkpoint.
function sort(text, { value, texts }, found) {
  if (Array.isArray(value)) {
    found.checkpoints.push(...texts(value));
  } else if (value instanceof Map && Array.isArray(value.get("keys")) && !value.has("signature")) {
    found.keyrings.push(text);
  } else if (value instanceof Map && value.get("record_export") && value.get("keyring") instanceof Map) {
    const keys = texts(value.get("keyring").get("keys") ?? []);
    found.keyrings.push(`{"keys":[${keys.join(",")}]}`);
  } else if (value instanceof Map && Array.isArray(value.get("checkpoints")) && !value.has("signature")) {
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
