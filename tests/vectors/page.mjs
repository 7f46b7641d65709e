// The page's verifier without a page: its script as it is served, up to where it draws, in the module that is named. A line with a case comes in, a
// line with the outcome goes out.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { KeyringError, PinError, Refusal, parseKeyring, pinnedKey, seenTogether, takeApart, textOf, verifyPublished } = await import(pathToFileURL(process.argv[2]));
const bytesOf = (text) => Buffer.from(text, "base64");

async function verdictOn(keys, bytes, pin) {
  try {
    return await verifyPublished(keys, textOf(bytes), pin);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: "MALFORMED", problem: error.message };
  }
}

async function judge({ keyring, pin, checkpoints, together, form, file }) {
  let keys;
  try {
    keys = await parseKeyring(textOf(bytesOf(keyring)));
    if (pin !== null) pinnedKey(keys, pin);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { refused: error instanceof PinError ? "pin" : "keyring", problem: error.message };
  }
  const texts = form ? takeApart(bytesOf(checkpoints[0]), file ?? "").checkpoints.map((text) => Buffer.from(text)) : checkpoints.map(bytesOf);
  const verdicts = [];
  for (const bytes of texts) verdicts.push(await verdictOn(keys, bytes, pin));
  const told = { verdicts: verdicts.map(({ kind, problem }) => [kind, problem ?? ""]), skipped: keys.skipped.length };
  return together ? { ...told, ...seenTogether(verdicts) } : told;
}

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await judge(JSON.parse(line))));
