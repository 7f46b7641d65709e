// The page's verifier without a page: a line with the file of a keyring, a pin and the bytes of a text comes in, a line
// with the verdict and the bytes that it takes for signed goes out.

import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { Refusal, textOf } from "../../../clients/javascript/src/json.js";
import { parseKeyring } from "../../../clients/javascript/src/keyring.js";
import { verifyPublished } from "../../../clients/javascript/src/verify.js";

const keyrings = new Map();

async function keyring(path) {
  if (!keyrings.has(path)) {
    const read = parseKeyring(readFileSync(path, "utf8")).catch((error) => {
      if (error instanceof Refusal) return null;
      throw error;
    });
    keyrings.set(path, await read);
  }
  return keyrings.get(path);
}

async function judge({ keys, pin, text }) {
  const ring = await keyring(keys);
  if (!ring) return ["NO_KEYRING", ""];
  let decoded;
  try {
    decoded = textOf(Buffer.from(text, "base64"));
  } catch (error) {
    if (error instanceof Refusal) return ["MALFORMED", ""];
    throw error;
  }
  try {
    const verdict = await verifyPublished(ring, decoded, pin || null);
    return [verdict.kind, verdict.published?.payload ?? ""];
  } catch (error) {
    if (error instanceof Refusal) return ["NO_PIN", ""];
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await judge(JSON.parse(line))));
}
