// Every word of the page stands in one table, in each language, and is used; what the page shows beside them is data.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { ONLINE, choose, clear, dropTexts, open, paste, read, withBrowser } from "./browser.mjs";

const PAGE = new URL("../../../src/http/page/", import.meta.url);
const source = (name) => readFileSync(new URL(name, PAGE), "utf8");
const WORDS = JSON.parse(source("words.json"));
const LANGUAGES = ["en", "de"];
const MARKS = /(\{[a-z]+\}|`[^`]*`|\[[^\]]*\]\([^)]*\))/;

const textsOf = (found) => (typeof found === "string" ? { only: found } : found);
// What has to be the same in each language: what is filled in, code, and addresses.
const marksOf = (text) => text.split(MARKS).filter((part) => MARKS.test(part)).map((part) => part.replace(/^\[[^\]]*\]/, "")).sort();

function everyLanguageHasEveryWord() {
  for (const [name, languages] of Object.entries(WORDS)) {
    assert.deepEqual(Object.keys(languages), LANGUAGES, name);
    const [first, second] = LANGUAGES.map((language) => textsOf(languages[language]));
    assert.deepEqual(Object.keys(second), Object.keys(first), name);
    for (const [form, text] of Object.entries(first)) {
      assert.ok(text.trim() !== "" && second[form].trim() !== "", name);
      assert.deepEqual(marksOf(second[form]), marksOf(text), `${name}, ${form}`);
    }
  }
}

function everyWordIsUsedAndKnown() {
  const scripts = readdirSync(PAGE).filter((name) => name.endsWith(".js")).map(source).join("\n");
  const html = source("page.html");
  // Those whose names are put together: of verdicts, findings, states, headlines.
  const madeUp = /^(?:[A-Z_]+_(?:title|sentence|count)|state_[A-Za-z]+|headline_(?:all|some)(?:_signed)?|language_(?:name|code)|title|description)$/;
  const used = (name) => madeUp.test(name) || scripts.includes(`"${name}"`) || html.includes(`{{${name}}}`);
  assert.deepEqual(Object.keys(WORDS).filter((name) => !used(name)), []);
  const named = [
    ...[...html.matchAll(/data-(?:word|label)="([^"]*)"/g)].map(([, name]) => name),
    ...[...scripts.matchAll(/\b(?:told|phrase|fact|long|box|differs)\("([^"]*)"/g)].map(([, name]) => name),
  ];
  assert.ok(named.length > 80);
  assert.deepEqual(named.filter((name) => !Object.hasOwn(WORDS, name)), []);
}

// The same table, with brackets around whatever stands in it.
const bracketed = (text) => text.split(MARKS).map((part) => (MARKS.test(part) ? part.replace(/^\[([^\]]*)\]/, "[\u27e6$1\u27e7]") : part && `\u27e6${part}\u27e7`)).join("");

function withBrackets() {
  const made = structuredClone(WORDS);
  for (const [name, languages] of Object.entries(made)) {
    if (name === "language_code") continue;
    for (const language of LANGUAGES) {
      const found = languages[language];
      languages[language] = typeof found === "string" ? bracketed(found) : Object.fromEntries(Object.entries(found).map(([form, text]) => [form, bracketed(text)]));
    }
  }
  return made;
}

// What is shown without coming out of the table.
function besides(page) {
  return page.evaluate(() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const isData = (element) => element.closest("code, pre, textarea, script, style, noscript, [lang=en]:not(html, button), #files, .organisations .name");
    while (walker.nextNode()) if (!isData(walker.currentNode.parentElement)) found.push(walker.currentNode.data);
    for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]")) {
      for (const name of ["aria-label", "title", "placeholder", "alt"]) if (element.hasAttribute(name)) found.push(element.getAttribute(name));
    }
    found.push(document.title, document.querySelector("meta[name=description]").content);
    return found.map((text) => text.replace(/\u27e6[^\u27e7]*\u27e7/g, " "));
  });
}

const MONTHS = /\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b/g;
// Names of keys, files, ledgers and checkpoints, what a key's owner wrote, and what is inside of elements that are data.
const DATA = /amply-checkpoint-key-\w+|stranger|[\w.-]+\.(?:json|txt|ndjson)|(?:chk|org)_[\w-]+|found on a lost laptop|sha256:[0-9a-f]+|\b(?:PS|RS)256\b|Hilfe für Kinder e\.V\.|Wasser & Brot \S+/gu;

async function nothingElseIsSaid(page, where) {
  for (const text of await besides(page)) {
    const codes = await page.evaluate(() => [...document.querySelectorAll("code, pre, .organisations .name, span[lang=en]")].map((one) => one.textContent).sort((one, other) => other.length - one.length));
    let rest = text;
    for (const one of codes) if (one) rest = rest.replaceAll(one, " ");
    rest = rest.replace(DATA, " ").replace(MONTHS, " ");
    assert.doesNotMatch(rest, /\p{L}{2,}/u, `${where}: ${text}`);
  }
}

const SCENES = {
  begin: async () => {},
  verdicts: (page) => dropTexts(page, ["money.json", "tampered.json", "unknown.json", "revoked.json", "twice.json", "rs256.json"].map((name) => [name, read(name)])),
  contradiction: (page) => choose(page, ["contradiction.ndjson"]),
  gap: (page) => choose(page, ["many.ndjson"]),
  rings: (page) => dropTexts(page, [["ring.json", JSON.stringify({ keys: [{ kty: "EC", kid: "later" }, ...JSON.parse(read("keyring.json")).keys.slice(1)] })], ["a.json", read("valid.json")], ["empty.json", ""]]),
  address: (page) => paste(page, "https://example.org/chk_1"),
  nothing: (page) => paste(page, ""),
};

async function allThatIsShownIsInTheTable(browser) {
  await open(
    browser,
    "about:blank",
    async (page) => {
      await page.route(`${ONLINE}/`, async (route) => {
        const response = await route.fetch();
        const html = await response.text();
        const changed = html.replace(/const TABLE = \{\n[\s\S]*?\n\};\n/, () => `const TABLE = ${JSON.stringify(withBrackets())};\n`);
        assert.notEqual(changed, html, "the table is in the script");
        await route.fulfill({ response, body: changed });
      });
      await page.goto(`${ONLINE}/`);
      await page.locator("#newest-rows tr").first().waitFor();
      for (const [name, scene] of Object.entries(SCENES)) {
        await scene({ ...page, locator: (selector) => page.locator(selector), getByRole: (role, { name: label }) => page.getByRole(role, { name: `\u27e6${label}\u27e7`, exact: true }), evaluateHandle: (...given) => page.evaluateHandle(...given), dispatchEvent: (...given) => page.dispatchEvent(...given), waitForFunction: (...given) => page.waitForFunction(...given) });
        await nothingElseIsSaid(page, name);
        if (await page.locator("#clear").isVisible()) await page.locator("#clear").click();
      }
    },
    { bypassCSP: true },
  );
}

// The browser's language is spoken at first, then the one that is chosen; what was shown is said again.
async function theReaderChooses(browser) {
  for (const [locale, language] of [["en-US", "en"], ["de-CH", "de"], ["fr-FR", "en"]]) {
    await open(browser, ONLINE, async (page) => {
      await page.locator("#newest-rows tr").first().waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.lang), language, locale);
      assert.equal(await page.locator("h1").textContent(), WORDS.question[language]);
    }, { locale });
  }
  await open(browser, ONLINE, async (page) => {
    await page.locator("#newest-rows tr").first().waitFor();
    await choose(page, ["many.ndjson"]);
    await page.getByRole("button", { name: "Deutsch" }).click();
    await page.waitForFunction(() => /^4 von 5 Prüfpunkten sind echt/.test(document.getElementById("status").textContent));
    assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
    assert.equal(await page.title(), WORDS.title.de);
    assert.equal(await page.getByRole("button", { name: "Deutsch" }).getAttribute("aria-pressed"), "true");
    assert.match(await page.locator("#keys").textContent(), /unterschreibt jetzt.*1\. Januar 2026 bis 1\. Januar 2027/);
    assert.match(await page.locator("#newest-rows").textContent(), /26\.405 Einträge/);
    // The focus stays where the reader chose.
    assert.equal(await page.evaluate(() => document.activeElement.lang), "de");
    await clear({ getByRole: () => page.getByRole("button", { name: "Leeren" }) });
    await page.getByRole("button", { name: "English" }).click();
    assert.equal(await page.locator("h1").textContent(), WORDS.question.en);
  });
}

everyLanguageHasEveryWord();
everyWordIsUsedAndKnown();
await withBrowser(async (browser) => {
  await allThatIsShownIsInTheTable(browser);
  await theReaderChooses(browser);
});
