// The page: what is dropped, pasted or typed goes through the verifier above; the only requests are for the keyring
// and the newest checkpoints of the site that the page came from.

import { Refusal, decoded } from "../../../clients/javascript/src/json.js";
import { parseKeyring, pinnedKey } from "../../../clients/javascript/src/keyring.js";
import { verifyPublished } from "../../../clients/javascript/src/verify.js";
import { kindOf } from "../../../clients/javascript/src/foreign.js";
import { takeApart } from "../../../clients/javascript/src/input.js";
import { LANGUAGES, code, element, languageNow, moment, nameOfLanguage, phrase, speak, technical, told, translate } from "./language.js";
import { nameOfLedger } from "./money.js";
import { isFault, nameOfPart, titleOf } from "./words.js";
import { drawRings, readRings, skippedOf } from "./rings.js";
import { drawTimeline } from "./timeline.js";
import { headlineOf, isWell, showVerdicts } from "./results.js";
import { seenTogether } from "../../../clients/javascript/src/together.js";

const MAX_INPUT_BYTES = 64 * 1024 * 1024;
const PAUSE_EVERY = 50;
const ADDRESS = /^(?:https?:\/\/|www\.)\S+$/i;
const isSaved = location.protocol === "file:";
const at = (id) => document.getElementById(id);
const now = () => Math.floor(Date.now() / 1000);

// `site` is the keyring of this site, `rings` those that were given, and `chosen` the id of the one of them that the reader
// chose: nothing else lets a keyring from a file be used. `keyringWord` is what is said while there is none.
const state = { site: null, rings: [], chosen: null, files: [], newest: null, run: 0, keyringWord: isSaved ? "keyring_none" : "keyring_reading" };

// Says something about what was given: the first sentence is the headline.
function say(sentences, tone = "") {
  const [first, ...others] = sentences;
  at("status").replaceChildren(...(first ? [element("span", { className: "headline" }, first)] : []), ...others.flatMap((sentence) => [" ", element("span", {}, sentence)]));
  at("status").className = tone;
}

const failed = (...sentences) => say(sentences, "trouble");

// Brings what was said into sight, and the focus there, wherever the reader was.
function turnToResult() {
  at("result").focus({ preventScroll: true });
  at("result").scrollIntoView({ block: "start" });
}

// The keyring to believe: the one that the reader chose while it is there, or else the site's.
const believed = () => state.rings.find(({ id }) => id === state.chosen) ?? state.site;

function showKeyring(ring) {
  at("timeline").hidden = !ring;
  at("keyring").className = state.keyringWord === "keyring_unread" && !ring ? "trouble" : "";
  if (!ring) return at("keyring").replaceChildren(...told(state.keyringWord));
  const keys = phrase("keys", { count: ring.keys.size });
  const from = ring.isSite ? told("keyring_of_site", { keys }) : told("keyring_of_file", { keys, name: nameOfPart(ring) });
  at("keyring").replaceChildren(...from, ...skippedOf(ring.keys));
  return drawTimeline({ list: at("keys"), sentence: at("outlook"), axis: at("axis") }, ring.keys, now());
}

// The focus stays on the choice: with the arrows, a reader goes from one to the next.
async function chooseRing({ id }) {
  state.chosen = id;
  await verifyOrTell();
  at("result").scrollIntoView({ block: "start" });
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
      say([phrase("progress", { done: verdicts.length, all: checkpoints.length })]);
      await new Promise((resume) => setTimeout(resume));
      if (run !== state.run) return null;
    }
  }
  return verdicts;
}

// How many addresses there are, where there is nothing but addresses.
function addressesIn(text) {
  const lines = text.split(/\s+/).filter((line) => line !== "");
  return lines.every((line) => ADDRESS.test(line)) ? lines.length : 0;
}

const namesOf = (parts) => [...new Set(parts.map(nameOfPart))].join(", ");

// What was given and not used, or not checked.
function asidesOf(parts, { rings, broken }, ring) {
  const unused = rings.filter((other) => other !== ring && other.id !== ring.id);
  const unread = parts.filter(({ problem }) => problem);
  const empty = parts.slice(1).filter((part) => !part.problem && part.checkpoints.length + part.keyrings.length === 0);
  const exported = parts.filter(({ isExport }) => isExport);
  return {
    broken: broken.length > 0 ? told("rings_broken", { problems: technical(broken.join("; ")) }) : null,
    notWhole: exported.length > 0 ? phrase("export_unchecked", { names: namesOf(exported) }) : null,
    notUsed: unused.length > 0 ? phrase(ring.isSite ? "not_used_site" : "not_used_chosen", { names: namesOf(unused) }) : null,
    notRead: unread.length > 0 ? told("unread", { problems: technical(unread.map(({ problem }) => problem).join("; ")) }) : null,
    notChecked: empty.length > 0 ? phrase("not_checked", { names: namesOf(empty) }) : null,
  };
}

// Whatever keeps an answer from being a good one.
const faultsOf = ({ broken, notRead, notWhole, notChecked }) => [broken, notRead, notWhole, notChecked].filter(Boolean);

function sayNothingIsThere(rings, ring, { notUsed, ...asides }) {
  const faults = faultsOf(asides);
  if (faults.length > 0) return failed(phrase("nothing_checked"), ...faults);
  const isRead = rings.some(({ id }) => id === ring.id);
  const read = ring.isSite ? phrase("ring_read") : phrase("ring_read_by", { ring: nameOfPart(ring) });
  return say([isRead ? read : phrase("paste_first"), notUsed].filter(Boolean));
}

// Verifies what is there: the text and the files.
async function verify() {
  const run = (state.run += 1);
  at("verdicts").replaceChildren();
  say([]);
  const given = [{ name: null, text: at("text").value }, ...state.files];
  const addresses = addressesIn(given[0].text);
  if (addresses > 0) return failed(phrase("address", { count: addresses }));
  const parts = given.map(({ name, text, problem }) => ({ name, problem, ...takeApart(text, name ?? "") }));
  const checkpoints = parts.flatMap((part) => part.checkpoints);
  const read = await readRings(parts);
  const { rings, broken } = read;
  if (run !== state.run) return undefined;
  offer(rings);
  const ring = believed();
  if (!ring && state.rings.length === 0 && broken.length > 0) return failed(told("refused", { problem: technical(broken.join("; ")) }));
  if (!ring && state.rings.length > 0) return failed(phrase("say_whose"));
  if (!ring) return failed(told("keyring_needed"));
  const pin = at("pin").value.trim();
  // A pin that is none of the keyring is refused, whatever there is to verify.
  if (pin) pinnedKey(ring.keys, pin);
  const asides = asidesOf(parts, read, ring);
  if (checkpoints.length === 0) return sayNothingIsThere(rings, ring, asides);
  const verdicts = await verifyAll(checkpoints, ring, pin, run);
  if (!verdicts) return undefined;
  const { findings } = seenTogether(verdicts);
  const contradicted = new Set(findings.filter(isFault).flatMap(({ checkpoints: places }) => places.map((place) => verdicts[place].published.payload)));
  // A copy of one is contradicted as well.
  for (const verdict of verdicts) verdict.isContradicted = verdict.kind === "VALID" && contradicted.has(verdict.published.payload);
  await showVerdicts(at("verdicts"), verdicts, findings);
  const faults = faultsOf(asides);
  const areGenuine = verdicts.every(isWell);
  const headline = headlineOf(verdicts, findings);
  // Where it is not the verdicts that keep the answer from being a good one, what does comes first.
  const sentences = areGenuine ? [...faults, ...headline, asides.notUsed] : [...headline, asides.notUsed, ...faults];
  return say(sentences.filter(Boolean), areGenuine && faults.length === 0 ? "well" : "trouble");
}

function tell(error) {
  if (!(error instanceof Refusal)) console.error(error);
  failed(told("refused", { problem: technical(error.message) }));
}

async function verifyOrTell() {
  try {
    if (globalThis.crypto?.subtle) await verify();
    else failed(phrase("needs_https"));
  } catch (error) {
    tell(error);
  }
  showFiles();
}

// The same, for a reader who has just given something.
async function answer() {
  await verifyOrTell();
  turnToResult();
}

function showFiles() {
  const items = state.files.map(({ name, text, problem }) => element("li", {}, problem ? told("unread", { problems: technical(problem) }) : told("file", { name, count: text.length })));
  at("files").replaceChildren(...items);
  at("clear").hidden = state.files.length === 0 && at("text").value === "" && at("verdicts").childElementCount === 0;
}

async function readFile(file) {
  if (file.size > MAX_INPUT_BYTES) throw new Refusal("is larger than 64 MiB; checkpoint-verify takes files of any size");
  const bytes = new Uint8Array(await file.arrayBuffer());
  const foreign = kindOf(bytes);
  if (foreign) throw new Refusal(foreign);
  return decoded(bytes) ?? bytes;
}

// One that cannot be read takes nothing away from the others, and stays in the list with what is wrong with it.
async function addFiles(files) {
  for (const file of files) {
    const { name } = file;
    try {
      state.files.push({ name, text: await readFile(file) });
    } catch (error) {
      // A browser refuses a folder, or what is there no more, in words of its own.
      state.files.push({ name, text: "", problem: `${name}: ${error.message}` });
    }
  }
  await answer();
}

function clear() {
  state.files = [];
  state.run += 1;
  at("text").value = "";
  at("verdicts").replaceChildren();
  say([]);
  offer([]);
  showFiles();
  at("text").focus();
}

async function fetchText(path) {
  const response = await fetch(path, { credentials: "omit", referrerPolicy: "no-referrer" });
  if (!response.ok) throw new Refusal(`${path} answered ${response.status}`);
  return response.text();
}

function newestRow(text, verdict) {
  const { members } = verdict.published;
  const [id, ledger] = [members.get("checkpoint_id"), members.get("ledger_id")];
  const show = element("button", { type: "button", className: "quiet", "aria-label": phrase("show_which", { id, ledger }) }, told("show"));
  show.addEventListener("click", async () => {
    clear();
    at("text").value = text;
    await answer();
  });
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, code(id)),
    element("td", { className: verdict.kind === "VALID" ? "well" : "trouble" }, titleOf(verdict)),
    element("td", {}, nameOfLedger(members) ?? code(ledger)),
    element("td", { className: "number" }, told("entries", { count: members.get("entry_count") })),
    element("td", {}, moment(verdict.header.iat)),
    element("td", {}, show),
  );
}

// Draws the newest checkpoints again, in whatever language.
function drawNewest() {
  if (!state.newest) return;
  at("newest-rows").replaceChildren(...state.newest.map(({ text, verdict }) => newestRow(text, verdict)));
  at("newest-status").replaceChildren(...told(state.newest.length === 0 ? "nothing_signed" : "newest_verified"));
}

async function readNewest() {
  const { checkpoints } = takeApart(await fetchText("/v1/checkpoints/newest"));
  const found = [];
  for (const text of checkpoints) {
    const verdict = await verifyPublished(state.site.keys, text);
    if (verdict.published) found.push({ text, verdict });
  }
  state.newest = found;
  drawNewest();
}

async function begin() {
  if (isSaved) {
    at("saved").hidden = false;
    return;
  }
  try {
    const keys = await parseKeyring(await fetchText("/.well-known/jwks.json"));
    state.site = { id: "site", name: null, keys, isSite: true };
    offer(state.rings);
    // What was given before there was a keyring.
    if (at("status").textContent !== "") await verifyOrTell();
    at("newest").hidden = false;
    await readNewest();
  } catch (error) {
    console.error(error);
    state.keyringWord = "keyring_unread";
    showKeyring(believed());
  }
}

// The page in a language: its own words, and all that was said and shown.
async function turnTo(language) {
  speak(language);
  translate();
  for (const button of at("languages").children) button.setAttribute("aria-pressed", String(button.lang === language));
  showKeyring(believed());
  drawNewest();
  if (at("status").textContent !== "") await verifyOrTell();
  else offer(state.rings);
  showFiles();
}

function drawLanguages() {
  const buttons = LANGUAGES.map((language) => {
    const button = element("button", { type: "button", lang: language }, nameOfLanguage(language));
    button.addEventListener("click", () => turnTo(language));
    return button;
  });
  at("languages").replaceChildren(...buttons);
}

// A copy that was saved with its content begins anew.
for (const id of ["verdicts", "files", "keys", "axis", "newest-rows", "rings"]) at(id).replaceChildren();
for (const id of ["timeline", "newest", "saved", "rings"]) at(id).hidden = true;
say([]);
drawLanguages();
turnTo(languageNow());

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  await answer();
});
at("text").addEventListener("input", showFiles);
at("text").addEventListener("paste", () => setTimeout(answer));
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
  await answer();
});
begin();
