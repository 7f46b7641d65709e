// The page: what is dropped, pasted or typed goes through the verifier above; the only requests are for the keyring
// and the newest checkpoints of the site that the page came from.

import { Refusal, textOf } from "./json.js";
import { parseKeyring, pinnedKey } from "./keyring.js";
import { verifyPublished } from "./verify.js";
import { takeApart } from "./input.js";
import { code, element, moment } from "./words.js";
import { drawTimeline } from "./timeline.js";
import { showVerdicts, summaryOf } from "./results.js";

const MAX_INPUT_BYTES = 64 * 1024 * 1024;
const PAUSE_EVERY = 50;
const isSaved = location.protocol === "file:";
const at = (id) => document.getElementById(id);
const now = () => Math.floor(Date.now() / 1000);

const state = { keys: null, origin: "", files: [], run: 0 };

const failed = (text) => say(at("status"), text, "trouble");

function say(place, text, tone = "") {
  place.textContent = text;
  place.className = tone;
}

function useKeyring(keys, origin) {
  Object.assign(state, { keys, origin });
  say(at("keyring"), `${keys.size} ${keys.size === 1 ? "key" : "keys"} ${origin}`);
  drawTimeline({ list: at("keys"), sentence: at("outlook"), axis: at("axis") }, keys, now());
  at("timeline").hidden = false;
}

async function takeKeyrings(keyrings) {
  for (const text of keyrings) useKeyring(await parseKeyring(text), "from the keyring that you gave");
}

async function verifyAll(checkpoints, pin, run) {
  const verdicts = [];
  for (const text of checkpoints) {
    verdicts.push(await verifyPublished(state.keys, text, pin));
    if (verdicts.length % PAUSE_EVERY === 0) {
      say(at("status"), `${verdicts.length} of ${checkpoints.length} verified`);
      await new Promise((resume) => setTimeout(resume));
      if (run !== state.run) return null;
    }
  }
  return verdicts;
}

// Verifies what is there: the text and the files.
async function verify() {
  const run = (state.run += 1);
  at("verdicts").replaceChildren();
  say(at("status"), "");
  const parts = [at("text").value, ...state.files.map(({ text }) => text)].map(takeApart);
  const checkpoints = parts.flatMap((part) => part.checkpoints);
  await takeKeyrings(parts.flatMap((part) => part.keyrings));
  if (!state.keys) return failed("A keyring is needed: drop or choose the file that was saved from /.well-known/jwks.json.");
  const pin = at("pin").value.trim();
  // A pin that is none of the keyring is refused, whatever there is to verify.
  if (pin) pinnedKey(state.keys, pin);
  if (checkpoints.length === 0) {
    const isKeyringOnly = parts.some((part) => part.keyrings.length > 0);
    return say(at("status"), isKeyringOnly ? "The keyring is read. Now drop or paste a checkpoint." : "Paste or drop a checkpoint first.");
  }
  const verdicts = await verifyAll(checkpoints, pin, run);
  if (!verdicts) return undefined;
  await showVerdicts(at("verdicts"), verdicts);
  return say(at("status"), summaryOf(verdicts), verdicts.every(({ kind }) => kind === "VALID") ? "well" : "trouble");
}

async function verifyOrTell() {
  try {
    if (!globalThis.crypto?.subtle) {
      throw new Refusal("This browser verifies only on pages that came by https. Save this page, and open the saved copy");
    }
    await verify();
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    failed(`${error.message}.`);
  }
}

function showFiles() {
  const items = state.files.map(({ name, text }) => element("li", {}, `${name} (${text.length.toLocaleString("en-GB")} characters)`));
  at("files").replaceChildren(...items);
  at("clear").hidden = state.files.length === 0 && at("text").value === "" && at("verdicts").childElementCount === 0;
}

async function addFiles(files) {
  try {
    for (const file of files) {
      if (file.size > MAX_INPUT_BYTES) throw new Refusal(`${file.name} is larger than 64 MiB: checkpoint-signer verify takes files of any size`);
      const text = textOf(new Uint8Array(await file.arrayBuffer()));
      state.files.push({ name: file.name, text });
    }
  } catch (error) {
    failed(`${error.message}.`);
    return;
  }
  await verifyOrTell();
  showFiles();
}

function clear() {
  state.files = [];
  state.run += 1;
  at("text").value = "";
  at("verdicts").replaceChildren();
  say(at("status"), "");
  showFiles();
  at("text").focus();
}

async function fetchText(path) {
  const answer = await fetch(path, { credentials: "omit", referrerPolicy: "no-referrer" });
  if (!answer.ok) throw new Refusal(`${path} answered ${answer.status}`);
  return answer.text();
}

async function showNewest() {
  const { checkpoints } = takeApart(await fetchText("/v1/checkpoints/newest"));
  const rows = at("newest-rows");
  rows.replaceChildren();
  for (const text of checkpoints) {
    const verdict = await verifyPublished(state.keys, text);
    if (!verdict.published) continue;
    const { members } = verdict.published;
    const show = element("button", { type: "button", className: "quiet", "aria-label": `Show ${members.get("checkpoint_id")} of ${members.get("ledger_id")}` }, "Show");
    show.addEventListener("click", async () => {
      clear();
      at("text").value = text;
      await verifyOrTell();
      showFiles();
      at("result-title").focus();
    });
    rows.append(
      element(
        "tr",
        {},
        element("th", { scope: "row" }, code(members.get("checkpoint_id"))),
        element("td", { className: verdict.kind === "VALID" ? "well" : "trouble" }, verdict.kind === "VALID" ? "Genuine" : code(verdict.kind)),
        element("td", {}, code(members.get("ledger_id"))),
        element("td", { className: "number" }, `${members.get("entry_count").toLocaleString("en-GB")} entries`),
        element("td", {}, moment(verdict.header.iat)),
        element("td", {}, show),
      ),
    );
  }
  say(at("newest-status"), checkpoints.length === 0 ? "Nothing is signed yet." : "Your browser verified each of them just now.");
}

async function begin() {
  if (isSaved) {
    at("saved").hidden = false;
    say(at("keyring"), "none yet: drop or choose your keyring file");
    return;
  }
  try {
    useKeyring(await parseKeyring(await fetchText("/.well-known/jwks.json")), "from this site");
    at("newest").hidden = false;
    await showNewest();
  } catch (error) {
    console.error(error);
    say(at("keyring"), "The keyring of this site cannot be read now; drop one, or try again later.", "trouble");
  }
}

// A copy that was saved with its content begins anew.
for (const id of ["verdicts", "files", "keys", "axis", "newest-rows"]) at(id).replaceChildren();
for (const id of ["timeline", "newest", "saved"]) at(id).hidden = true;
say(at("status"), "");

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await verifyOrTell();
  showFiles();
  at("result-title").focus();
});
at("text").addEventListener("input", showFiles);
at("text").addEventListener("paste", () => setTimeout(async () => {
  await verifyOrTell();
  showFiles();
}));
at("choose").addEventListener("click", () => at("chosen").click());
at("chosen").addEventListener("change", async (event) => {
  await addFiles([...event.target.files]);
  event.target.value = "";
});
at("clear").addEventListener("click", clear);
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
}
for (const name of ["dragleave", "drop"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    if (name === "drop" || event.relatedTarget === null) document.body.classList.remove("dragging");
  });
}
addEventListener("drop", async (event) => {
  const { files } = event.dataTransfer;
  if (files.length > 0) {
    await addFiles([...files]);
    return;
  }
  at("text").value = event.dataTransfer.getData("text/plain");
  await verifyOrTell();
  showFiles();
});
begin();
