// What has to hold wherever the page came from.

import assert from "node:assert/strict";
import { choose, clear, drop, kinds, paste, read } from "./browser.mjs";

const EXPECTED = [
  ["valid.json", "VALID", /Signed by amply-checkpoint-key-2026 on 1 June 2026, 12:00:00 UTC, while that key was in force/],
  ["expired.json", "VALID", /Signed by amply-checkpoint-key-2024/],
  ["rs256.json", "VALID", /Signed by amply-checkpoint-key-2025/],
  ["before-revocation.json", "VALID", /Signed by amply-checkpoint-key-2023/],
  ["tampered.json", "INVALID_SIGNATURE", /Do not rely on it.*did not sign this content/],
  ["unknown.json", "UNKNOWN_KEY", /The keyring has no key named stranger/],
  ["revoked.json", "KEY_REVOKED", /is not trusted from 1 July 2023 on: found on a lost laptop/],
  ["twice.json", "MALFORMED", /total_volume: stands there twice/],
  ["garbage.txt", "MALFORMED", /is not JSON at character 1/],
];

async function sentence(page) {
  return page.locator(".verdict .sentence").first().textContent();
}

export async function everyVerdictIsRight(page) {
  for (const [name, kind, says] of EXPECTED) {
    assert.deepEqual(await paste(page, read(name)), [kind], name);
    assert.match(await sentence(page), says, name);
    // Whose signature does not hold has signed nothing.
    const facts = await page.locator(".verdict dt").allTextContents();
    const holds = ["VALID", "KEY_REVOKED"].includes(kind);
    assert.equal(facts.includes("Signed by"), holds, name);
    assert.equal(facts.includes("Says it is signed by"), !holds && kind !== "MALFORMED", name);
  }
  await clear(page);
}

export async function manyAreCounted(page) {
  for (const name of ["many.ndjson", "array.json"]) {
    assert.deepEqual(await choose(page, [name]), ["KEY_REVOKED", "VALID", "VALID", "VALID", "VALID"], name);
    assert.match(await page.locator("#status").textContent(), /^4 of 5 checkpoints are genuine; 1 was signed by a key that was withdrawn\.( Judged by the keyring in keyring.json, which you chose\.)?$/);
    await clear(page);
  }
  const lines = `${read("many.ndjson")}\n{"broken":\n`;
  assert.deepEqual((await paste(page, lines)).slice(0, 2), ["KEY_REVOKED", "MALFORMED"]);
  await clear(page);
  assert.deepEqual(await drop(page, ["tampered.json", "valid.json"]), ["INVALID_SIGNATURE", "VALID"]);
  await clear(page);
}

async function pinned(page, pin, name) {
  await page.getByLabel("Trust one key only").fill(pin);
  const found = await paste(page, read(name));
  return [found, (await page.locator(".verdict").allTextContents()).join("\n")];
}

export async function aPinnedKeyIsFollowed(page) {
  // The latest key stands first.
  const shown = await page.locator("#keys .fingerprint code").allTextContents();
  const [of2026, of2024, of2023] = [shown[1], shown[3], shown[4]];
  let [found, text] = await pinned(page, of2024, "valid.json");
  assert.deepEqual(found, ["VALID"]);
  assert.match(text, /2026 was endorsed by amply-checkpoint-key-2025 on 1 December 2025; this holds/);
  assert.match(text, /2025 was endorsed by amply-checkpoint-key-2024 on 1 December 2024; this holds/);
  assert.match(text, /the key that you trust, amply-checkpoint-key-2024, leads to it/);
  [found, text] = await pinned(page, of2026, "expired.json");
  assert.deepEqual(found, ["UNKNOWN_KEY"], "endorsements point forwards only");
  [found, text] = await pinned(page, of2023, "expired.json");
  assert.deepEqual(found, ["UNKNOWN_KEY"]);
  assert.match(text, /amply-checkpoint-key-2023 is revoked/);
  for (const wrong of ["amply-checkpoint-key-2024", of2024.toUpperCase(), of2024.slice(0, -1), "nobody"]) {
    [found] = await pinned(page, wrong, "valid.json");
    assert.deepEqual(found, [], wrong);
    const status = await page.locator("#status").textContent();
    assert.match(status, /is not a fingerprint; expected sha256: and 64 lowercase.*only after comparing it with the fingerprint that you noted/);
    assert.ok(status.includes(`amply-checkpoint-key-2024 ${of2024}`), status);
  }
  await page.getByLabel("Trust one key only").fill("");
}

export async function theSignedBytesAreShown(page) {
  const published = JSON.parse(read("valid.json"));
  await paste(page, read("valid.json"));
  await page.getByText("Which bytes were signed").click();
  const [payload, input, signature] = await page.locator(".verdict pre").allTextContents();
  const [header, made] = published.signature.split("..");
  delete published.signature;
  assert.deepEqual(JSON.parse(payload), published);
  assert.equal(input, `${header}.${Buffer.from(payload).toString("base64url")}`);
  assert.equal(signature, made);
}

export async function theTimelineTellsWhoSigns(page) {
  assert.equal(
    await page.locator("#outlook").textContent(),
    "amply-checkpoint-key-2026 signs now, until 1 January 2027. amply-checkpoint-key-2027 takes over on 1 January 2027.",
  );
  const states = await page.locator("#keys .state").allTextContents();
  assert.deepEqual(states, ["comes later", "signs now", "ended", "ended", "withdrawn"]);
}

export { kinds };
