#!/usr/bin/env node
// Verifies files of published checkpoints. Exit code 0: all are valid, and none contradicts another; 1: not so; 2: something was not verified.

import { readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { Keyring, Refusal, takeApart, verify } from "../index.js";
import { kindOf } from "../src/foreign.js";
import { visible } from "../src/visible.js";

const USAGE = "amply-checkpoint-verify --keys KEYRING.json [--pin FINGERPRINT] [--json] FILE... (- is standard input)";

const EXPORT =
  "is an export of the record: its rows were verified one by one, and not that they are all there, in their order; checkpoint-verify does, by the root in its first line";

const OPEN_ALREADY = /^\/(?:dev\/fd|dev\/stdin$|proc\/self\/fd)/;

function refuse(problem) {
  console.error(`amply-checkpoint-verify: ${visible(problem)}`);
  process.exit(2);
}

// Writes to standard output. Who closed it (`| head`) wants no more of it; what cannot be written otherwise was not told.
function print(text) {
  return new Promise((resume) => {
    process.stdout.write(`${text}\n`, (error) => (error && error.code !== "EPIPE" ? refuse(`standard output: ${error.message}`) : resume()));
  });
}

function options() {
  const named = { keys: { type: "string" }, pin: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean" } };
  let parsed;
  try {
    parsed = parseArgs({ options: named, allowPositionals: true, tokens: true });
  } catch (error) {
    return refuse(`${error.message}; expected ${USAGE}`);
  }
  // Of two, one would be left out without a word.
  const names = parsed.tokens.filter(({ kind }) => kind === "option").map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  return twice === undefined ? parsed : refuse(`--${twice} is given twice; expected ${USAGE}`);
}

const NAMES = { isDirectory: "a folder", isFIFO: "a pipe", isSocket: "a socket", isCharacterDevice: "a device", isBlockDevice: "a device" };

// Refuses what is no regular file, which may have no end, or never begin. A pipe that the shell has opened (`<(...)`) is one that somebody writes to.
function expectFile(path) {
  const found = statSync(path);
  const isOpen = found.isFIFO() && OPEN_ALREADY.test(path);
  if (found.isFile() || isOpen) return;
  const is = Object.keys(NAMES).find((is) => found[is]());
  throw new Refusal(`is ${NAMES[is] ?? "no file"}; expected a regular file, or - for standard input`);
}

function read(path) {
  if (path !== "-") expectFile(path);
  const bytes = readFileSync(path === "-" ? 0 : path);
  const foreign = kindOf(bytes);
  if (foreign) throw new Refusal(foreign);
  return bytes;
}

// The checkpoints of a file, each with where it stands, and what was not checked of it. A keyring is none, and judged as one.
function checkpointsOf(path) {
  try {
    const bytes = read(path);
    const { checkpoints, keyrings, isExport } = takeApart(bytes, path);
    const texts = keyrings.length > 0 && !isExport ? [bytes] : checkpoints;
    if (texts.length === 0) throw new Refusal("has no checkpoint in it; expected one or more");
    const isOne = texts.length === 1;
    const given = texts.map((one, index) => ({ source: isOne ? path : `${path}[${index}]`, text: one }));
    return { given, notChecked: isExport ? [{ source: path, problem: `${path}: ${EXPORT}` }] : [] };
  } catch (error) {
    // What the system says of a file has a code.
    if (!(error instanceof Refusal || error.code)) throw error;
    return { given: [], notChecked: [{ source: path, problem: `${path}: ${error.message}` }] };
  }
}

process.stdout.on("error", () => {});
const { values, positionals } = options();
if (values.help) {
  await print(USAGE);
  process.exit(0);
}
if (values.keys === undefined || positionals.length === 0) refuse(`expected ${USAGE}`);
if (positionals.filter((path) => path === "-").length + (values.keys === "-" ? 1 : 0) > 1) refuse("standard input is read once: give - once");
function readKeyring(path) {
  try {
    return read(path);
  } catch (error) {
    return refuse(`${path}: ${error.message}`);
  }
}

try {
  const keyring = await Keyring.parse(readKeyring(values.keys));
  const files = positionals.map(checkpointsOf);
  const given = files.flatMap((file) => file.given);
  const notChecked = files.flatMap((file) => file.notChecked);
  const { valid, verdicts, findings, copies, skipped } = await verify(given.map(({ text }) => text), keyring, { pin: values.pin ?? null });
  const rows = verdicts.map(({ kind, explanation, keyId, signedAt, fingerprint }, index) => ({ source: given[index].source, kind, explanation, keyId, signedAt, fingerprint }));
  if (skipped.length > 0) console.error(`${visible(values.keys)}: ${skipped.length} of its keys were skipped, of kinds that are not known here`);
  const found = findings.map((finding) => ({ ...finding, checkpoints: finding.checkpoints.map((place) => given[place].source) }));
  const lines = [
    ...rows.map(({ source, kind, explanation }) => `${kind.padEnd(18)} ${visible(source)}: ${explanation}`),
    ...found.map(({ finding, checkpoints, days }) => `${finding.padEnd(18)} ${checkpoints.map(visible).join(" and ")}${days ? `: ${days} ${days === 1 ? "day" : "days"} without a checkpoint` : ""}`),
  ];
  const told = { valid: valid && notChecked.length === 0, verdicts: rows, findings: found, copies, skipped, not_checked: notChecked };
  if (values.json || lines.length > 0) await print(values.json ? JSON.stringify(told) : lines.join("\n"));
  for (const { problem } of notChecked) console.error(`amply-checkpoint-verify: not checked: ${visible(problem)}`);
  // That the answer is no comes before what was not checked, as checkpoint-verify has it.
  const isNo = rows.length > 0 && !valid;
  const isIncomplete = notChecked.length > 0;
  process.exitCode = isNo ? 1 : isIncomplete ? 2 : 0;
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  refuse(error.message);
}
