// The page: what is dropped, pasted or typed goes through the verifier above; the only requests are for the keyring
// and the newest checkpoints of the site that the page came from.

import { Refusal, textOf } from "../../../clients/javascript/src/json.js";
import { parseKeyring, pinnedKey } from "../../../clients/javascript/src/keyring.js";
import { verifyPublished } from "../../../clients/javascript/src/verify.js";
import { takeApart } from "../../../clients/javascript/src/input.js";
import { visible } from "../../../clients/javascript/src/visible.js";
import { code, element, isFault, moment } from "./words.js";
import { byRing, drawRings, readRings, skippedOf } from "./rings.js";
import { drawTimeline } from "./timeline.js";
import { isWell, showVerdicts, summaryOf } from "./results.js";
import { seenTogether } from "../../../clients/javascript/src/together.js";

const MAX_INPUT_BYTES = 64 * 1024 * 1024;
const PAUSE_EVERY = 50;
const isSaved = location.protocol === "file:";
const at = (id) => document.getElementById(id);
const now = () => Math.floor(Date.now() / 1000);

const PASTED = "what you pasted";

// `site` is the keyring of this site, `rings` those that were given, and `chosen` the id of the one of them that the reader
// chose: nothing else lets a keyring from a file be used.
const state = { site: null, rings: [], chosen: null, shown: null, files: [], run: 0 };

const failed = (text) => say(at("status"), text, "trouble");

function say(place, text, tone = "") {
  place.textContent = text;
  place.className = tone;
}

// The keyring to believe: the one that the reader chose while it is there, or else the site's.
const believed = () => state.rings.find(({ id }) => id === state.chosen) ?? state.site;

function showKeyring(ring) {
  if (ring === state.shown) return;
  state.shown = ring;
  const origin = ring?.isSite ? "from this site" : `from ${visible(ring?.name ?? "")}, which you chose`;
  say(at("keyring"), ring ? `${ring.keys.size} ${ring.keys.size === 1 ? "key" : "keys"} ${origin}.${visible(skippedOf(ring.keys))}` : "none yet: drop or choose your keyring file");
  at("timeline").hidden = !ring;
  if (ring) drawTimeline({ list: at("keys"), sentence: at("outlook"), axis: at("axis") }, ring.keys, now());
}

async function chooseRing({ id }) {
  state.chosen = id;
  await verifyOrTell();
  showFiles();
}

// Offers the keyrings that were given. On a page without a site, the chosen one stays until another is chosen.
function offer(rings) {
  const chosen = believed();
  const stays = !state.site && chosen && !rings.some(({ id }) => id === chosen.id);
  state.rings = stays ? [chosen, ...rings] : rings;
  // What was taken away is no choice any more, also when it comes back.
  if (!state.rings.some(({ id }) => id === state.chosen)) state.chosen = null;
  drawRings(at("rings"), state.site, state.rings, believed(), chooseRing);
  showKeyring(believed());
}

async function verifyAll(checkpoints, ring, pin, run) {
  const verdicts = [];
  for (const text of checkpoints) {
    verdicts.push({ ...(await verifyPublished(ring.keys, text, pin || null)), ring });
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
  const given = [{ name: PASTED, text: at("text").value }, ...state.files];
  const parts = given.map(({ name, text }) => ({ name, ...takeApart(text) }));
  const checkpoints = parts.flatMap((part) => part.checkpoints);
  const rings = await readRings(parts);
  if (run !== state.run) return undefined;
  offer(rings);
  const ring = believed();
  if (!ring && state.rings.length > 0) return failed("Say whose keys to believe: choose a keyring under \u201cWhose keys to believe\u201d, if you trust where you have it from.");
  if (!ring) return failed("A keyring is needed: drop or choose the file that was saved from /.well-known/jwks.json.");
  const pin = at("pin").value.trim();
  // A pin that is none of the keyring is refused, whatever there is to verify.
  if (pin) pinnedKey(ring.keys, pin);
  const unused = rings.filter((other) => other !== ring && other.id !== ring.id).map(({ name }) => visible(name));
  const notUsed = unused.length > 0 ? ` The keyring in ${[...new Set(unused)].join(", ")} was not used: ${ring.isSite ? "this site's" : "the one that you chose"} was.` : "";
  const empty = parts.slice(1).filter((part) => part.checkpoints.length + part.keyrings.length === 0).map(({ name }) => visible(name));
  const notChecked = empty.length > 0 ? ` Not checked: ${empty.join(", ")}, without anything in it.` : "";
  if (checkpoints.length === 0) {
    if (notChecked) return failed(`Nothing was checked.${notChecked}`);
    const isRead = rings.some(({ id }) => id === ring.id);
    const read = isRead ? `The keyring is read, and verdicts are${byRing(ring)}. Now drop or paste a checkpoint.` : "Paste or drop a checkpoint first.";
    return say(at("status"), `${read}${notUsed}`);
  }
  const verdicts = await verifyAll(checkpoints, ring, pin, run);
  if (!verdicts) return undefined;
  const { findings } = seenTogether(verdicts);
  for (const { checkpoints: places } of findings.filter(isFault)) places.forEach((place) => (verdicts[place].isContradicted = true));
  await showVerdicts(at("verdicts"), verdicts, findings);
  const areWell = notChecked === "" && verdicts.every(isWell);
  return say(at("status"), `${summaryOf(verdicts, findings)}${notUsed}${notChecked}`, areWell ? "well" : "trouble");
}

async function verifyOrTell() {
  try {
    if (!globalThis.crypto?.subtle) {
      throw new Refusal("This browser verifies only on pages that came by https. Save this page, and open the saved copy");
    }
    await verify();
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    failed(`${visible(error.message)}.`);
  }
}

function showFiles() {
  const items = state.files.map(({ name, text }) => element("li", {}, `${visible(name)} (${text.length.toLocaleString("en-GB")} characters)`));
  at("files").replaceChildren(...items);
  at("clear").hidden = state.files.length === 0 && at("text").value === "" && at("verdicts").childElementCount === 0;
}

async function addFiles(files) {
  try {
    for (const file of files) {
      if (file.size > MAX_INPUT_BYTES) throw new Refusal(`${visible(file.name)} is larger than 64 MiB: checkpoint-signer verify takes files of any size`);
      const text = textOf(new Uint8Array(await file.arrayBuffer()));
      state.files.push({ name: file.name, text });
    }
  } catch (error) {
    failed(`${visible(error.message)}.`);
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
  offer([]);
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
    const verdict = await verifyPublished(state.site.keys, text);
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
    const keys = await parseKeyring(await fetchText("/.well-known/jwks.json"));
    state.site = { id: "site", name: "this site", keys, isSite: true };
    offer(state.rings);
    at("newest").hidden = false;
    await showNewest();
  } catch (error) {
    console.error(error);
    say(at("keyring"), "The keyring of this site cannot be read now; drop one, or try again later.", "trouble");
  }
}

// A copy that was saved with its content begins anew.
for (const id of ["verdicts", "files", "keys", "axis", "newest-rows", "rings"]) at(id).replaceChildren();
for (const id of ["timeline", "newest", "saved", "rings"]) at(id).hidden = true;
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
