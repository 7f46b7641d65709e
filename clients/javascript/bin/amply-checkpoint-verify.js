#!/usr/bin/env node
// Verifies files of published checkpoints. Exit code 0: all are valid, and none contradicts another; 1: not so; 2: something was not verified.

import { readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { Keyring, Refusal, takeApart, verify } from "../index.js";
import { kindOf } from "../src/foreign.js";
import { visible } from "../src/visible.js";

const USAGE = "amply-checkpoint-verify --keys KEYRING.json [--pin FINGERPRINT] [--json] FILE... (- is standard input)";

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
  refuse(`${path}: is ${NAMES[is] ?? "no file"}; expected a regular file, or - for standard input`);
}

function read(path) {
  let bytes;
  try {
    if (path !== "-") expectFile(path);
    bytes = readFileSync(path === "-" ? 0 : path);
  } catch (error) {
    return refuse(`${path}: ${error.message}`);
  }
  const foreign = kindOf(bytes);
  return foreign ? refuse(`${path}: ${foreign}`) : bytes;
}

// The checkpoints of a file, each with where it stands, and whether they are an export's. A keyring is none, and judged as one.
function checkpointsOf(path) {
  const bytes = read(path);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { given: [{ source: path, text: bytes }], exports: [] };
  }
  const { checkpoints, keyrings, isExport } = takeApart(text, path);
  const texts = keyrings.length > 0 && !isExport ? [text] : checkpoints;
  if (texts.length === 0) refuse(`${path}: has no checkpoint in it; expected one or more`);
  const isOne = texts.length === 1;
  return { given: texts.map((one, index) => ({ source: isOne ? path : `${path}[${index}]`, text: one })), exports: isExport ? [path] : [] };
}

process.stdout.on("error", () => {});
const { values, positionals } = options();
if (values.help) {
  await print(USAGE);
  process.exit(0);
}
if (values.keys === undefined || positionals.length === 0) refuse(`expected ${USAGE}`);
if (positionals.filter((path) => path === "-").length + (values.keys === "-" ? 1 : 0) > 1) refuse("standard input is read once: give - once");
try {
  const keyring = await Keyring.parse(read(values.keys));
  const files = positionals.map(checkpointsOf);
  const given = files.flatMap((file) => file.given);
  const exports = files.flatMap((file) => file.exports);
  const { valid, verdicts, findings, copies, skipped } = await verify(given.map(({ text }) => text), keyring, { pin: values.pin ?? null });
  const rows = verdicts.map(({ kind, explanation, keyId, signedAt, fingerprint }, index) => ({ source: given[index].source, kind, explanation, keyId, signedAt, fingerprint }));
  if (skipped.length > 0) console.error(`${visible(values.keys)}: ${skipped.length} of its keys were skipped, of kinds that are not known here`);
  const found = findings.map((finding) => ({ ...finding, checkpoints: finding.checkpoints.map((place) => given[place].source) }));
  const lines = [
    ...rows.map(({ source, kind, explanation }) => `${kind.padEnd(18)} ${visible(source)}: ${explanation}`),
    ...found.map(({ finding, checkpoints, days }) => `${finding.padEnd(18)} ${checkpoints.map(visible).join(" and ")}${days ? `: ${days} ${days === 1 ? "day" : "days"} without a checkpoint` : ""}`),
  ];
  const told = { valid: valid && exports.length === 0, verdicts: rows, findings: found, copies, skipped, exports_not_checked: exports };
  await print(values.json ? JSON.stringify(told) : lines.join("\n"));
  for (const path of exports) {
    console.error(`amply-checkpoint-verify: not checked: ${visible(path)}: is an export of the record: its rows were verified one by one, and not that they are all there, in their order; checkpoint-verify does, by the root in its first line`);
  }
  // That the answer is no comes before what was not checked, as checkpoint-verify has it.
  if (valid) process.exitCode = exports.length > 0 ? 2 : 0;
  else process.exitCode = 1;
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  refuse(error.message);
}
