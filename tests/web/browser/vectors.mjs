// The vectors of vectors/, by the page's modules: a line for each case that is not as it should be, and how many there were.

import { readFileSync } from "node:fs";
import { Refusal, textOf } from "../../../src/http/page/json.js";
import { parseKeyring } from "../../../src/http/page/keyring.js";
import { seenTogether } from "../../../src/http/page/together.js";
import { verifyPublished } from "../../../src/http/page/verify.js";

const read = (name) => JSON.parse(readFileSync(new URL(`../../../vectors/${name}`, import.meta.url), "utf8"));
const ringOf = (vectors, { keyring }) => parseKeyring(JSON.stringify(vectors.keyrings[keyring]));

async function verdictOf(ring, { published, published_base64: bytes }) {
  try {
    return (await verifyPublished(ring, published ?? textOf(Buffer.from(bytes, "base64")))).kind;
  } catch (error) {
    if (error instanceof Refusal) return "MALFORMED";
    throw error;
  }
}

const single = read("single.json");
for (const one of single.cases) {
  const verdict = await verdictOf(await ringOf(single, one), one);
  if (verdict !== one.verdict) console.log(`${one.name}: ${verdict}, not ${one.verdict}`);
}
const histories = read("histories.json");
for (const one of histories.cases) {
  const ring = await ringOf(histories, one);
  const verdicts = [];
  for (const text of one.checkpoints) verdicts.push(await verifyPublished(ring, text));
  const { findings, copies } = seenTogether(verdicts);
  const [found, expected] = [{ findings, copies }, { findings: one.findings, copies: one.copies }].map((all) => JSON.stringify(all));
  if (found !== expected) console.log(`${one.name}: ${found}, not ${expected}`);
}
console.log(`${single.cases.length} and ${histories.cases.length} cases`);
