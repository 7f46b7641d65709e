// What somebody meets who has never heard of signatures: a verdict in sight, money and names, one language.

import assert from "node:assert/strict";
import { ONLINE, choose, clear, drop, dropTexts, kinds, open, paste, picture, read, ready, withBrowser } from "./browser.mjs";

const SIZES = [["desktop", 1280, 900], ["phone", 390, 844]];
const LOCALES = ["en-GB", "de-AT"];
const VERIFY = { "en-GB": "Verify", "de-AT": "Prüfen" };

const CASES = {
  valid: { text: "money.json", kinds: ["VALID"], "en-GB": /^Genuine: chk_2026-05-31 of Hilfe für Kinder e\.V\.$/, "de-AT": /^Echt: chk_2026-05-31 von Hilfe für Kinder e\.V\.$/ },
  tampered: { text: "tampered.json", kinds: ["INVALID_SIGNATURE"], "en-GB": /^Changed, or not signed like this: chk_2026-06-01 of org_1$/, "de-AT": /^Geändert, oder nicht so unterschrieben: chk_2026-06-01 von org_1$/ },
  unknown: { text: "unknown.json", kinds: ["UNKNOWN_KEY"], "en-GB": /^Cannot be confirmed: chk_stranger of org_1$/, "de-AT": /^Nicht zu bestätigen: chk_stranger von org_1$/ },
  contradictory: {
    text: "contradiction.ndjson",
    kinds: ["SECOND_CONTENT", "VALID", "VALID"],
    "en-GB": /^Do not rely on these: .* contradict each other\. Each of the 2 checkpoints is signed\.$/,
    "de-AT": /^Verlassen Sie sich nicht darauf: zwei unterschriebene Prüfpunkte widersprechen einander\. Jeder der 2 Prüfpunkte ist unterschrieben\.$/,
  },
  many: { text: "many.ndjson", kinds: ["KEY_REVOKED", "VALID", "VALID", "VALID", "VALID"], "en-GB": /^4 of 5 checkpoints are genuine; 1 was signed/, "de-AT": /^4 von 5 Prüfpunkten sind echt; 1 wurde mit/ },
};

const status = (page) => page.locator("#status").textContent();

// The headline and the beginning of the first verdict are in the window, and the focus is with them.
async function isInSight(page, where) {
  await page.waitForFunction(() => document.activeElement?.id === "result", null, { timeout: 10_000 }).catch(() => assert.fail(`${where}: the focus is elsewhere`));
  const boxes = await page.evaluate(() => {
    const box = (selector) => document.querySelector(selector)?.getBoundingClientRect().toJSON();
    return { headline: box("#status .headline"), first: box("#verdicts .head") ?? box("#status .headline"), height: innerHeight };
  });
  for (const name of ["headline", "first"]) {
    assert.ok(boxes[name].top >= 0 && boxes[name].bottom <= boxes.height, `${where}: the ${name} is out of sight: ${JSON.stringify(boxes)}`);
  }
}

const WAYS = {
  async file(page, name) {
    await choose(page, [name]);
  },
  async drop(page, name) {
    await drop(page, [name]);
  },
  async paste(page, name) {
    await page.locator("#text").focus();
    await page.evaluate((text) => {
      const place = document.getElementById("text");
      place.value = text;
      place.dispatchEvent(new Event("paste"));
    }, read(name));
    await kinds(page);
  },
  async button(page, name, locale) {
    await page.locator("#text").fill(read(name));
    await page.getByRole("button", { name: VERIFY[locale], exact: true }).click();
    await kinds(page);
  },
};

async function everyWayAndEachVerdict(browser) {
  for (const locale of LOCALES) {
    for (const [size, width, height] of SIZES) {
      await open(browser, ONLINE, async (page) => {
        await page.locator("#newest-rows tr").first().waitFor();
        assert.equal(await page.evaluate(() => document.documentElement.lang), locale.slice(0, 2));
        for (const [name, expected] of Object.entries(CASES)) {
          for (const [way, give] of Object.entries(WAYS)) {
            const where = `${locale}, ${size}, ${name} by ${way}`;
            await give(page, expected.text, locale);
            assert.deepEqual(await kinds(page), expected.kinds, where);
            assert.match(await status(page), expected[locale], where);
            await isInSight(page, where);
            await page.locator("#clear").click();
          }
        }
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${locale}, ${size}: ${overflow} px too wide`);
      }, { locale, viewport: { width, height } });
    }
  }
}

async function moneyAndNamesAreShown(browser) {
  await open(browser, ONLINE, async (page) => {
    await ready(page);
    await paste(page, read("money.json"));
    const facts = page.locator(".verdict dl");
    assert.match(await facts.textContent(), /LedgerHilfe für Kinder e\.V\. org_xyz789.*Entries15,842Total€2,847,293\.40Signed by/);
    assert.deepEqual(await facts.locator(".organisations li").allTextContents(), [
      "Hilfe für Kinder e.V. 15,000 entries, €2,846,293.40",
      "Wasser & Brot \\u{202e}gGmbH 842 entries, €1,000.00",
    ]);
    await page.getByRole("button", { name: "Deutsch" }).click();
    await page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("Echt: "));
    assert.match(await facts.textContent(), /Einträge15\.842Summe2\.847\.293,40\s€/);
    await page.getByRole("button", { name: "English" }).click();
    await clear(page);
    // Without a currency, or with one that nobody knows, nothing is guessed.
    await paste(page, read("valid.json"));
    assert.match(await facts.textContent(), /Total, in minor units \(such as cents\)7,518,269,245Signed by/);
    await clear(page);
    const given = JSON.parse(read("money.json"));
    const amounts = [
      [{ currency: "JPY" }, 5, "JP¥5"],
      [{ currency: "TND" }, -5, "-TND 0.005"],
      [{ currency: "EUR" }, Number.MAX_SAFE_INTEGER, "€90,071,992,547,409.91"],
      [{ currency: "EUR" }, -1, "-€0.01"],
      [{ currency: "XQZ" }, 5, "5"],
      [{ currency: "eur" }, 5, "5"],
      [{ currency: 7 }, 5, "5"],
    ];
    for (const [more, total, expected] of amounts) {
      await paste(page, JSON.stringify({ ...given, ...more, total_volume: total }));
      const found = await facts.locator("div", { hasText: /^Total/ }).locator("dd").textContent();
      assert.equal(found.replace(/\s/g, " "), expected, JSON.stringify(more));
      await clear(page);
    }
    // Two currencies are no sum.
    const [first, second] = given.organization_summaries;
    await paste(page, JSON.stringify({ ...given, organization_summaries: [first, { ...second, currency: "USD" }, { name: "" }, { name: 7, total_volume: 1 }] }));
    assert.match(await facts.textContent(), /Total, in minor units/);
    assert.deepEqual(await facts.locator(".organisations li").allTextContents(), ["Hilfe für Kinder e.V. 15,000 entries, €2,846,293.40", "Wasser & Brot \\u{202e}gGmbH 842 entries, US$1,000.00"]);
  });
}

async function whatContradictsIsNotCalledGenuine(browser) {
  await open(browser, ONLINE, async (page) => {
    await ready(page);
    await choose(page, ["contradiction.ndjson"]);
    const [finding, ...cards] = await page.locator("#verdicts article").all();
    assert.match(await finding.locator(".differences").textContent(), /total_volume/);
    assert.equal(await finding.locator(".differences > div").first().locator("dd").count(), 2);
    assert.equal(cards.length, 2);
    for (const card of cards) {
      const text = await card.textContent();
      assert.match(text, /^!Signed, but contradictedVALID.*another one that is signed says something else.*What it says, which another one contradicts/);
      assert.doesNotMatch(text, /Nothing in it was changed|not confirmed|Genuine/);
    }
  });
}

// What somebody gives is asked for without having to look for it.
async function theInputIsInSight(browser) {
  for (const locale of LOCALES) {
    const [, width, height] = SIZES[1];
    await open(browser, ONLINE, async (page) => {
      await page.locator("#newest-rows tr").first().waitFor();
      const bottom = await page.evaluate(() => document.getElementById("choose").getBoundingClientRect().bottom);
      assert.ok(bottom <= height, `${locale}: the button ends at ${bottom}`);
    }, { locale, viewport: { width, height } });
  }
}

async function addressesAreExplained(browser) {
  await open(browser, ONLINE, async (page, seen) => {
    await ready(page);
    const before = seen.requests.length;
    assert.deepEqual(await paste(page, " https://example.org/v1/checkpoints/org_1/chk_1 \n"), []);
    assert.match(await status(page), /^That is an address \(URL\), and not a checkpoint\. This page opens no addresses.*drop or paste that here\.$/);
    await isInSight(page, "an address");
    assert.deepEqual(await paste(page, "https://example.org/a\nwww.example.org/b"), []);
    assert.match(await status(page), /^Those are addresses/);
    assert.deepEqual(await paste(page, `https://example.org/a\n${read("valid.json").trim()}`), ["MALFORMED", "VALID"]);
    assert.equal(seen.requests.length, before);
    await clear(page);
    assert.deepEqual(await dropTexts(page, [["empty.json", ""]]), []);
    assert.match(await status(page), /^Nothing was checked\. Not checked: empty\.json/);
    await isInSight(page, "an empty file");
  });
}

async function whatIsNotReadTakesNothingAway(browser) {
  await open(browser, ONLINE, async (page) => {
    await ready(page);
    const archive = ["all.zip", "PK\u0003\u0004"];
    assert.deepEqual(await dropTexts(page, [["a.json", read("valid.json")], archive, ["b.json", read("tampered.json")]]), ["INVALID_SIGNATURE", "VALID"]);
    assert.match(await status(page), /^1 of 2 checkpoints is genuine.*Not read: all\.zip: is a ZIP archive; expected the files in it/);
    assert.match(await page.locator("#files").textContent(), /a\.json.*Not read: all\.zip.*b\.json/);
    await clear(page);
    // What is genuine beside it is, and all is not well.
    assert.deepEqual(await dropTexts(page, [archive, ["a.json", read("valid.json")]]), ["VALID"]);
    assert.equal(await page.locator("#status").getAttribute("class"), "trouble");
    await clear(page);
    assert.deepEqual(await dropTexts(page, [archive]), []);
    assert.match(await status(page), /^Nothing was checked\. Not read: all\.zip/);
    await isInSight(page, "an archive");
    await clear(page);
    assert.deepEqual(await dropTexts(page, [["a.json", read("valid.json")]]), ["VALID"]);
    assert.equal(await page.locator("#status").getAttribute("class"), "well");
    // Its name says that each stands on a line.
    await clear(page);
    const [text, checkpoint] = [read("valid.json").trim(), JSON.parse(read("valid.json"))];
    assert.deepEqual(await dropTexts(page, [["a.json", JSON.stringify(checkpoint, null, 1)]]), ["VALID"]);
    await clear(page);
    assert.deepEqual(await dropTexts(page, [["a.ndjson", `[${text}]\n${text}`]]), ["MALFORMED", "VALID"]);
  });
}

async function picturesForAPerson(browser) {
  if (!process.env.PICTURES) return;
  for (const locale of LOCALES) {
    for (const [size, width, height] of SIZES) {
      for (const colorScheme of ["light", "dark"]) {
        await open(browser, ONLINE, async (page) => {
          await page.locator("#newest-rows tr").first().waitFor();
          const name = `${locale.slice(0, 2)}-${size}-${colorScheme}`;
          await picture(page, `${name}-begin`);
          for (const [one, { text }] of Object.entries(CASES)) {
            await choose(page, [text]);
            await isInSight(page, one);
            await picture(page, `${name}-${one}`, { fullPage: false });
            await page.locator("#clear").click();
          }
        }, { locale, colorScheme, viewport: { width, height } });
      }
    }
  }
}

await withBrowser(async (browser) => {
  await everyWayAndEachVerdict(browser);
  await moneyAndNamesAreShown(browser);
  await whatContradictsIsNotCalledGenuine(browser);
  await theInputIsInSight(browser);
  await addressesAreExplained(browser);
  await whatIsNotReadTakesNothingAway(browser);
  await picturesForAPerson(browser);
});
