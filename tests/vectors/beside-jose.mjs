// In Node, where the package is installed.

import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { verify } from "@amply/checkpoint-verify";

copyFileSync(process.env.AGREEMENT, "agreement.mjs");
const { disagreements } = await import(join(process.cwd(), "agreement.mjs"));
const single = JSON.parse(readFileSync(join(process.env.VECTORS, "single.json"), "utf8"));
// What lost its text on the way is no checkpoint and no keyring, and the message says why.
const ring = JSON.stringify(single.keyrings.honest);
for (const [told, given] of [["checkpoints: expected texts", [[{}], ring]], ["checkpoints: expected texts", [[7], ring]], ["keyring: expected the text", ["{}", single.keyrings.honest]], ["pin: expected a fingerprint", ["{}", ring, { pin: 7 }]]]) {
  await assert.rejects(verify(...given), (error) => error instanceof TypeError && error.message.startsWith(told));
}
for (const line of await disagreements(single)) console.log(line);
console.log(`${single.cases.length} cases`);
