// A keyring that comes with what is verified is used only once the reader says so, and named in every verdict by it.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { ONLINE, believe, clear, drop, dropTexts, file, open, paste, read, ready, withBrowser } from "./browser.mjs";

const status = (page) => page.locator("#status").textContent();
const rings = (page) => page.locator("#rings").textContent();
const ring = JSON.parse(read("keyring.json"));

// A forger's key under the name of the site's, and what it signed: all of the evidence agrees with itself.
const FORGER = await crypto.subtle.generateKey({ name: "RSA-PSS", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }, true, ["sign"]);
const { n, e } = await crypto.subtle.exportKey("jwk", FORGER.publicKey);

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

async function forged(kid) {
  const { signature, ...checkpoint } = JSON.parse(read("valid.json"));
  checkpoint.total_volume = 1;
  const iat = JSON.parse(Buffer.from(signature.split(".")[0], "base64url")).iat;
  const header = Buffer.from(JSON.stringify({ alg: "PS256", iat, kid, typ: "ledger-checkpoint+jws" })).toString("base64url");
  const payload = Buffer.from(JSON.stringify(sorted(checkpoint))).toString("base64url");
  const made = await crypto.subtle.sign({ name: "RSA-PSS", saltLength: 32 }, FORGER.privateKey, Buffer.from(`${header}.${payload}`));
  return JSON.stringify({ ...checkpoint, signature: `${header}..${Buffer.from(made).toString("base64url")}` });
}

const OF_SITE = "amply-checkpoint-key-2026";
const theirs = (kid) => ({ kid, kty: "RSA", n, e, alg: "PS256", use: "sig", nbf: 1767225600, exp: 1798761600 });
const sameName = JSON.stringify({ keys: [theirs(OF_SITE)] });
const otherName = JSON.stringify({ keys: [theirs("amply-checkpoint-key-2026b")] });
const byName = await forged(OF_SITE);
const byOther = await forged("amply-checkpoint-key-2026b");

await withBrowser(async (browser) => {
  await open(browser, ONLINE, async (page) => {
    await ready(page);
    // However the keyring comes beside the checkpoint, the site's is used, and the reader is told so.
    const beside = [
      [["a.json", byName], ["evil.json", sameName]],
      [["evil.json", sameName], ["a.json", byName]],
      [["export.ndjson", `{"record_export":1,"rows":1,"root":"00","keyring":${sameName}}\n${byName}\n`]],
      [["a.json", byName], ["evil.json", sameName], ["other.json", otherName]],
    ];
    for (const files of beside) {
      assert.deepEqual(await dropTexts(page, files), ["INVALID_SIGNATURE"], JSON.stringify(files).slice(0, 200));
      assert.match(await status(page), /The keyring in .* was not used: this site's was/);
      assert.match(await page.locator("#keyring").textContent(), /5 keys from this site/);
      assert.match(await rings(page), new RegExp(`1 key, 1 of them not as on this site: ${OF_SITE} is another key than this site's of that name`));
      assert.equal(await page.getByRole("radio", { name: "The keyring of this site" }).isChecked(), true);
      await clear(page);
      assert.equal(await page.locator("#rings").isVisible(), false);
    }
    // A key that the site does not have.
    assert.deepEqual(await dropTexts(page, [["a.json", byOther], ["other.json", otherName]]), ["UNKNOWN_KEY"]);
    assert.match(await rings(page), /2026b is not among this site's keys.*It lacks 5 keys of this site's/);
    // Only the reader's word lets it be used, and then every verdict names it.
    assert.deepEqual(await believe(page, "other.json"), ["VALID"]);
    assert.match(await status(page), /^Genuine: chk_\S+ of org_1 Judged by the keyring in other.json, which you chose\.$/);
    assert.match(await page.locator(".verdict").textContent(), /Judged by the keyring in other.json, which you chose, and not by a keyring of this site/);
    assert.match(await page.locator("#keyring").textContent(), /1 key from other.json, which you chose/);
    // Another file of that name with another keyring is not what was chosen; what is cleared is not chosen any more.
    await clear(page);
    assert.deepEqual(await dropTexts(page, [["a.json", byOther], ["other.json", sameName]]), ["UNKNOWN_KEY"]);
    await clear(page);
    assert.deepEqual(await dropTexts(page, [["a.json", byOther], ["other.json", otherName]]), ["UNKNOWN_KEY"]);
    await clear(page);
    // The newest checkpoints stay those of the site, and pasted keyrings are no better.
    assert.deepEqual(await paste(page, sameName), []);
    assert.match(await status(page), /The keyring in what you pasted was not used/);
    await clear(page);
    // Among checkpoints, a keyring is none, as the command line has it.
    for (const [text, verdicts] of [[`${sameName}\n${byName}\n`, ["MALFORMED", "INVALID_SIGNATURE"]], [`[${byName},${sameName}]`, ["INVALID_SIGNATURE", "MALFORMED"]]]) {
      assert.deepEqual((await dropTexts(page, [["a.json", text]])).sort(), verdicts.sort());
      assert.equal(await page.locator("#rings").isVisible(), false);
      await clear(page);
    }
    // An export's rows are verified, and that they are all is not.
    const header = `{"record_export":1,"rows":2,"root":"00","keyring":${read("keyring.json").trim()}}`;
    assert.deepEqual(await dropTexts(page, [["export.ndjson", `${JSON.stringify(JSON.parse(header))}\n${read("valid.json").trim()}\n`]]), ["VALID"]);
    assert.match(await status(page), /export\.ndjson is an export of the record: whether its rows are all there, and in their order, was not checked/);
    assert.equal(await page.locator("#status").getAttribute("class"), "trouble");
    await clear(page);
    // The same keys, and fewer of them.
    assert.deepEqual(await drop(page, ["keyring.json", "valid.json"]), ["VALID"]);
    assert.match(await rings(page), /None differs from this site's\./);
    await clear(page);
    // Keys of other kinds are skipped and counted; a private one is refused, and not shown.
    const more = { keys: [{ kty: "FUTURE", kid: "later" }, ...ring.keys, { kty: "EC", crv: "P-256", x: "AA", y: "AA" }] };
    assert.deepEqual(await dropTexts(page, [["more.json", JSON.stringify(more)], ["a.json", read("valid.json")]]), ["VALID"]);
    assert.match(await rings(page), /None differs from this site's\. 2 keys of kinds that are not known here were skipped \(later: kty is "FUTURE"; kty is "EC"\)/);
    assert.deepEqual(await believe(page, "more.json"), ["VALID"]);
    assert.match(await page.locator("#keyring").textContent(), /5 keys from more.json, which you chose\. 2 keys of kinds/);
    await clear(page);
    const secret = { keys: ring.keys.map((key) => ({ ...key, d: "c2VjcmV0" })) };
    assert.deepEqual(await dropTexts(page, [["secret.json", JSON.stringify(secret)], ["a.json", read("valid.json")]]), ["VALID"]);
    assert.equal(await page.locator("#status").getAttribute("class"), "trouble");
    assert.match(await status(page), /secret.json: keyring: keys\[0\]: d: is a member of private keys.*revoke it and roll it over/);
    assert.doesNotMatch(await page.locator("main").textContent(), /c2VjcmV0/);
    await clear(page);
    // A broken one beside a good one that was chosen takes nothing away.
    assert.deepEqual(await dropTexts(page, [["a.json", byOther], ["other.json", otherName]]), ["UNKNOWN_KEY"]);
    assert.deepEqual(await believe(page, "other.json"), ["VALID"]);
    assert.deepEqual(await dropTexts(page, [["broken.json", '{"keys":[1]}']]), ["VALID"]);
    assert.match(await status(page), /^No keyring, and not used: broken.json: keyring: .*Judged by the keyring in other.json/);
    await clear(page);
    const revoked = { keys: ring.keys.filter(({ kid }) => kid !== OF_SITE).map(({ revoked: _, ...key }) => key) };
    assert.deepEqual(await dropTexts(page, [["r.json", JSON.stringify(revoked)], ["a.json", read("revoked.json")]]), ["KEY_REVOKED"]);
    assert.match(await rings(page), /amply-checkpoint-key-2023 is withdrawn at another time, or in one of the two only\. It lacks 1 key of this site's/);
    await clear(page);
    // What has a member of a checkpoint is one, whatever stands before it.
    const hidden = `{"record_export":1,"keyring":{"keys":[]},${byName.slice(1)}`;
    assert.deepEqual(await dropTexts(page, [["a.ndjson", `${hidden}\n${read("valid.json").trim()}\n`]]), ["INVALID_SIGNATURE", "VALID"]);
    await clear(page);
    // A file without anything in it was not checked; names do not steer what is read.
    assert.deepEqual(await dropTexts(page, [["empty\u202egpj.json", ""], ["a.json", read("valid.json")]]), ["VALID"]);
    assert.match(await status(page), /Not checked: empty\\u\{202e\}gpj.json/);
    assert.equal(await page.locator("#status").getAttribute("class"), "trouble");
  });
  await open(browser, pathToFileURL(file("saved.html")).href, async (page) => {
    // Nothing is believed by itself on a saved page either, and several keyrings are never put together.
    assert.deepEqual(await dropTexts(page, [["a.json", byOther], ["keyring.json", read("keyring.json")], ["other.json", otherName]]), []);
    assert.match(await status(page), /Say whose keys to believe/);
    assert.deepEqual(await believe(page, "keyring.json"), ["UNKNOWN_KEY"]);
    assert.match(await page.locator(".verdict").textContent(), /Judged by the keyring in keyring.json, which you chose/);
    assert.deepEqual(await believe(page, "other.json"), ["VALID"]);
    assert.match(await page.locator(".verdict").textContent(), /Genuine by other.json/);
  }, { offline: true });
});
