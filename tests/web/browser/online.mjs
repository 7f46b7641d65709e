import assert from "node:assert/strict";
import { ONLINE, clear, drop, open, paste, picture, read, ready, withBrowser } from "./browser.mjs";
import { aPinnedKeyIsFollowed, everyVerdictIsRight, kinds, manyAreCounted, theSignedBytesAreShown, theTimelineTellsWhoSigns } from "./scenes.mjs";

const LOADS = ["/", "/.well-known/jwks.json", "/v1/checkpoints/newest"].map((path) => `GET ${ONLINE}${path}`);

await withBrowser(async (browser) => {
  await open(browser, ONLINE, async (page, seen) => {
    await ready(page);
    await theTimelineTellsWhoSigns(page);
    const verdicts = await page.locator("#newest-rows tr td:nth-child(2)").allTextContents();
    assert.deepEqual(verdicts, ["Genuine", "Genuine", "Genuine", "Signed by a key that was withdrawn", "Genuine"]);
    await everyVerdictIsRight(page);
    await manyAreCounted(page);
    await aPinnedKeyIsFollowed(page);
    await theSignedBytesAreShown(page);
    await clear(page);
    await page.getByRole("button", { name: "Show chk_2024-06-01 of org_1" }).click();
    assert.deepEqual(await kinds(page), ["VALID"]);
    // Text of a checkpoint is shown as text.
    await clear(page);
    assert.deepEqual(await paste(page, '<img src=x onerror="alert(1)">'), ["MALFORMED"]);
    assert.equal(await page.locator("img").count(), 0);
    assert.deepEqual(seen.requests.filter((request) => !request.includes(" data:")), LOADS);
  });
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, width, height] of [["desktop", 1280, 900], ["phone", 390, 844]]) {
      await open(
        browser,
        ONLINE,
        async (page) => {
          await ready(page);
          await picture(page, `${name}-${colorScheme}-begin`);
          const fingerprint = await page.locator("#keys .fingerprint code").nth(3).textContent();
          await page.getByLabel("Trust one key only").fill(fingerprint);
          await paste(page, `${read("valid.json")}\n${read("tampered.json")}`);
          await page.getByText("Which bytes were signed").first().click();
          await picture(page, `${name}-${colorScheme}-verdicts`);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(overflow <= 0, `${name}: the page is ${overflow} px too wide`);
        },
        { colorScheme, viewport: { width, height } },
      );
    }
  }
});
