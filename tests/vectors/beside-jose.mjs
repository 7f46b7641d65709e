// In Node, where the package is installed.

import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";

copyFileSync(process.env.AGREEMENT, "agreement.mjs");
const { disagreements } = await import(join(process.cwd(), "agreement.mjs"));
const single = JSON.parse(readFileSync(join(process.env.VECTORS, "single.json"), "utf8"));
for (const line of await disagreements(single)) console.log(line);
console.log(`${single.cases.length} cases`);
