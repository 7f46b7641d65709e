// In a browser: a site whose modules are those that are installed here, without a bundler.

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";

const require = createRequire(join(process.env.MODULES, "here.js"));
const { chromium } = require("playwright-core");

const IMPORTS = {
  "@amply/checkpoint-verify": "/node_modules/@amply/checkpoint-verify/index.js",
  canonicalize: "/node_modules/canonicalize/lib/canonicalize.js",
  jose: "/node_modules/jose/dist/webapi/index.js",
};
const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;

const server = createServer((request, response) => {
  if (request.url === "/") return response.setHeader("Content-Type", "text/html").end(PAGE);
  const path = request.url === "/agreement.mjs" ? process.env.AGREEMENT : join(process.cwd(), normalize(request.url));
  return response.setHeader("Content-Type", "text/javascript").end(readFileSync(path));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.log(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const single = JSON.parse(readFileSync(join(process.env.VECTORS, "single.json"), "utf8"));
  const found = await page.evaluate(async (vectors) => (await import("/agreement.mjs")).disagreements(vectors), single);
  for (const line of found) console.log(line);
  console.log(`${single.cases.length} cases in the browser`);
} finally {
  await browser.close();
  server.close();
}
