// A browser for the scenarios: it notes every request, every complaint of the page and every breach of its policy.

import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import assert from "node:assert/strict";

const require = createRequire(join(process.env.MODULES, "here.js"));
const { chromium } = require("playwright-core");

const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const ONLINE = process.env.PAGE;
export const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const file = (name) => join(process.env.FILES, name);
export const read = (name) => readFileSync(file(name), "utf8");

export async function withBrowser(scenario) {
  const browser = await chromium.launch({ executablePath: process.env.BROWSER, args: QUIET });
  try {
    await scenario(browser);
  } finally {
    await browser.close();
  }
}

// Opens a page in a context of its own, in June 2026, and checks at the end that nobody complained.
export async function open(browser, url, scenario, options = {}) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  const seen = { requests: [], complaints: [] };
  page.on("request", (request) => seen.requests.push(`${request.method()} ${request.url()}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) seen.complaints.push(message.text());
  });
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  await page.clock.setFixedTime(new Date("2026-06-01T12:00:00Z"));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  await scenario(page, seen, context);
  assert.deepEqual(seen.complaints, []);
  await context.close();
}

export async function ready(page) {
  await page.getByText("Your browser verified each of them just now.").waitFor();
}

// Pastes a text as a person does, and gives the kinds of the verdicts.
export async function paste(page, text) {
  await page.locator("#text").fill(text);
  await page.getByRole("button", { name: "Verify" }).click();
  return kinds(page);
}

export async function kinds(page) {
  await page.waitForFunction(() => document.getElementById("status").textContent !== "");
  return page.locator(".verdict").evaluateAll((cards) => cards.map((card) => card.dataset.kind));
}

export async function choose(page, names) {
  await page.locator("#chosen").setInputFiles(names.map(file));
  return kinds(page);
}

// Drops files, as from the desktop.
export async function drop(page, names) {
  return dropTexts(page, names.map((name) => [name, read(name)]));
}

// The same with files of these names and texts.
export async function dropTexts(page, files) {
  const transfer = await page.evaluateHandle((given) => {
    const made = new DataTransfer();
    for (const [name, text] of given) made.items.add(new File([text], name));
    return made;
  }, files);
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
  return kinds(page);
}

export async function clear(page) {
  await page.getByRole("button", { name: "Clear" }).click();
}

// Says that the keyring of a file is to be believed, and gives the kinds of the verdicts.
export async function believe(page, name) {
  await page.getByRole("radio", { name: `The keyring in ${name}` }).check();
  return kinds(page);
}

// For a person to look at, when one asks for it.
export async function picture(page, name, { fullPage = true } = {}) {
  if (!process.env.PICTURES) return;
  mkdirSync(process.env.PICTURES, { recursive: true });
  const path = join(process.env.PICTURES, `${name}.png`);
  // The browser sometimes fails to picture a page whose size has just changed.
  const take = () => page.screenshot({ path, fullPage });
  await take().catch(take);
}
