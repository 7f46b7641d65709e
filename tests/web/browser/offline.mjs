import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { ONLINE, believe, choose, clear, drop, file, open, paste, read, ready, withBrowser } from "./browser.mjs";
import { aPinnedKeyIsFollowed, everyVerdictIsRight, manyAreCounted, theSignedBytesAreShown, theTimelineTellsWhoSigns } from "./scenes.mjs";

const saved = (name) => pathToFileURL(file(name)).href;

async function worksAlone(browser, name) {
  await open(
    browser,
    saved(name),
    async (page, seen) => {
      await page.getByText("This is a saved copy of the page").waitFor();
      assert.deepEqual(await paste(page, read("valid.json")), []);
      assert.match(await page.locator("#status").textContent(), /A keyring is needed/);
      await clear(page);
      await choose(page, ["keyring.json"]);
      assert.match(await page.locator("#status").textContent(), /Say whose keys to believe/);
      assert.match(await page.locator("#rings").textContent(), /5 keys: .*There is nothing here to compare them with/);
      await believe(page, "keyring.json");
      assert.match(await page.locator("#status").textContent(), /The keyring is read, and verdicts are by the keyring in keyring.json, which you chose/);
      await clear(page);
      await theTimelineTellsWhoSigns(page);
      await everyVerdictIsRight(page);
      await manyAreCounted(page);
      await aPinnedKeyIsFollowed(page);
      await theSignedBytesAreShown(page);
      const requests = seen.requests.filter((request) => !request.includes(" data:"));
      assert.deepEqual(requests, [`GET ${saved(name)}`]);
    },
    { offline: true },
  );
}

await withBrowser(async (browser) => {
  await worksAlone(browser, "saved.html");
  // What a browser saves as a complete page is the document as it stands, with everything that was shown.
  await open(browser, ONLINE, async (page) => {
    await ready(page);
    await paste(page, read("tampered.json"));
    writeFileSync(file("complete.html"), `<!DOCTYPE html>\n${await page.evaluate(() => document.documentElement.outerHTML)}`);
  });
  await worksAlone(browser, "complete.html");
  // All at once, in one drop.
  await open(browser, saved("saved.html"), async (page) => {
    assert.deepEqual(await drop(page, ["valid.json", "keyring.json", "revoked.json"]), []);
    assert.match(await page.locator("#status").textContent(), /Say whose keys to believe/);
    assert.deepEqual(await believe(page, "keyring.json"), ["KEY_REVOKED", "VALID"]);
    assert.match(await page.locator(".verdict.good").textContent(), /Genuine by keyring.json.*Judged by the keyring in keyring.json, which you chose/);
  }, { offline: true });
});
