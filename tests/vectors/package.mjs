// The npm package, from the folder that is named: a line with a case comes in, a line with the outcome goes out.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { Keyring, KeyringError, PinError, takeApart, verify } = await import(pathToFileURL(`${process.argv[2]}/index.js`));
const bytesOf = (text) => new Uint8Array(Buffer.from(text, "base64"));
const rings = new Map();

async function ringOf(text) {
  if (rings.size > 100) rings.clear();
  if (!rings.has(text)) rings.set(text, await Keyring.parse(bytesOf(text)));
  return rings.get(text);
}

async function judge({ keyring, pin, checkpoints, together, form, file }) {
  try {
    const texts = form ? takeApart(bytesOf(checkpoints[0]), file ?? undefined).checkpoints : checkpoints.map(bytesOf);
    const { verdicts, findings, copies, skipped } = await verify(texts, await ringOf(keyring), { pin });
    const told = { verdicts: verdicts.map(({ kind, explanation }) => [kind, explanation]), skipped: skipped.length };
    return together ? { ...told, findings, copies } : told;
  } catch (error) {
    if (error instanceof KeyringError) return { refused: "keyring", problem: error.message };
    if (error instanceof PinError) return { refused: "pin", problem: error.message };
    throw error;
  }
}

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await judge(JSON.parse(line))));
