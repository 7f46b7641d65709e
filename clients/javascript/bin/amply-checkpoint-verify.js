#!/usr/bin/env node
// Verifies files of published checkpoints. Exit code 0: all are valid, and none contradicts another; 1: not so; 2: something was not verified.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Keyring, Refusal, takeApart, verify } from "../index.js";
import { visible } from "../src/visible.js";

const USAGE = "amply-checkpoint-verify --keys KEYRING.json [--pin FINGERPRINT] [--json] FILE... (- is standard input)";

function refuse(problem) {
  console.error(`amply-checkpoint-verify: ${visible(problem)}`);
  process.exit(2);
}

function options() {
  const named = { keys: { type: "string" }, pin: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean" } };
  try {
    return parseArgs({ options: named, allowPositionals: true });
  } catch (error) {
    return refuse(`${error.message}; expected ${USAGE}`);
  }
}

function read(path) {
  try {
    return readFileSync(path === "-" ? 0 : path);
  } catch (error) {
    return refuse(`${path}: ${error.message}`);
  }
}

// The checkpoints of a file, each with where it stands.
function checkpointsOf(path) {
  const bytes = read(path);
  let texts;
  try {
    texts = takeApart(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return [{ source: path, text: bytes }];
  }
  if (texts.checkpoints.length === 0) refuse(`${path}: has no checkpoint in it; expected one or more`);
  const isOne = texts.checkpoints.length === 1;
  return texts.checkpoints.map((text, index) => ({ source: isOne ? path : `${path}[${index}]`, text }));
}

const { values, positionals } = options();
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (values.keys === undefined || positionals.length === 0) refuse(`expected ${USAGE}`);
if (positionals.filter((path) => path === "-").length + (values.keys === "-" ? 1 : 0) > 1) refuse("standard input is read once: give - once");
try {
  const keyring = await Keyring.parse(read(values.keys));
  const given = positionals.flatMap(checkpointsOf);
  const { valid, verdicts, findings, copies, skipped } = await verify(given.map(({ text }) => text), keyring, { pin: values.pin ?? null });
  const rows = verdicts.map(({ kind, explanation, keyId, signedAt, fingerprint }, index) => ({ source: given[index].source, kind, explanation, keyId, signedAt, fingerprint }));
  if (skipped.length > 0) console.error(`${visible(values.keys)}: ${skipped.length} of its keys were skipped, of kinds that are not known here`);
  const found = findings.map((finding) => ({ ...finding, checkpoints: finding.checkpoints.map((place) => given[place].source) }));
  if (values.json) console.log(JSON.stringify({ valid, verdicts: rows, findings: found, copies, skipped }));
  else {
    for (const { source, kind, explanation } of rows) console.log(`${kind.padEnd(18)} ${visible(source)}: ${explanation}`);
    for (const { finding, checkpoints, days } of found) console.log(`${finding.padEnd(18)} ${checkpoints.map(visible).join(" and ")}${days ? `: ${days} ${days === 1 ? "day" : "days"} without a checkpoint` : ""}`);
  }
  process.exitCode = valid ? 0 : 1;
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  refuse(error.message);
}
