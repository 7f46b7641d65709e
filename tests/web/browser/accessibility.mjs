import assert from "node:assert/strict";
import { AXE, ONLINE, open, paste, read, ready, withBrowser } from "./browser.mjs";

async function audit(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
  assert.deepEqual(told, [], where);
}

await withBrowser(async (browser) => {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 360]) {
      const where = `${colorScheme}, ${width} px`;
      await open(
        browser,
        ONLINE,
        async (page) => {
          await ready(page);
          await audit(page, where);
          const fingerprint = await page.locator("#keys .fingerprint code").nth(3).textContent();
          await page.getByLabel("Trust one key only").fill(fingerprint);
          await paste(page, ["valid.json", "tampered.json", "unknown.json", "garbage.txt"].map(read).join("\n"));
          await page.getByText("Which bytes were signed").first().click();
          await audit(page, `${where}, with verdicts`);
        },
        // axe is brought in from outside, which the page's policy forbids.
        { colorScheme, viewport: { width, height: 800 }, bypassCSP: true },
      );
    }
  }
});
