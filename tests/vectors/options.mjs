// What is no options, or has an option that is not known, is refused by name; and of nothing, nothing is valid.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { verify } from "@amply/checkpoint-verify";

const keyring = readFileSync("keyring.json", "utf8");
const wrong = [null, "sha256:00", 1, true, [], () => {}, new Map([["pin", "x"]]), { Pin: "x" }, { pin: null, [Symbol("pin")]: "x" }];
for (const options of wrong) await assert.rejects(verify([], keyring, options), { name: "TypeError", message: /^options: .*expected .*pin/ });
for (const options of [undefined, {}, { pin: null }, { pin: undefined }, Object.create(null), runInContext("({})", createContext())]) {
  assert.equal((await verify([], keyring, options)).valid, false);
}
console.log(`${wrong.length} refused, nothing is not valid`);
