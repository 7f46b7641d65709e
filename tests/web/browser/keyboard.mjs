import assert from "node:assert/strict";
import { ONLINE, open, read, ready, withBrowser } from "./browser.mjs";
import { kinds } from "./scenes.mjs";

const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);

async function tab(page, expected) {
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), expected);
}

await withBrowser(async (browser) => {
  await open(browser, ONLINE, async (page) => {
    await ready(page);
    // Asked for early: the browser has to be told before it opens one.
    const chooser = page.waitForEvent("filechooser");
    await tab(page, "Skip to the verifier");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement.id === "text");
    await page.keyboard.insertText(read("valid.json"));
    for (const next of ["Verify", "choose", "clear", "pin"]) await tab(page, next);
    await page.keyboard.type(await page.locator("#keys .fingerprint code").nth(3).textContent());
    await page.keyboard.press("Enter");
    assert.deepEqual(await kinds(page), ["VALID"]);
    await page.waitForFunction(() => document.activeElement.id === "result");
    assert.equal(await page.getByRole("status").textContent(), "Genuine: chk_2026-06-01 of org_1");
    await tab(page, "Which bytes were signed");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "The signed content");
    // Back to the buttons, and files.
    await page.locator("#text").focus();
    await tab(page, "Verify");
    await tab(page, "choose");
    await page.keyboard.press("Enter");
    assert.ok((await chooser).isMultiple());
    await tab(page, "clear");
    await page.keyboard.press("Space");
    assert.equal(await focused(page), "text");
    assert.equal(await page.locator(".verdict").count(), 0);
  });
});
