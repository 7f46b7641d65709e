// The signed keyring, verified by jose with a key of the plain one; prints its protected header.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.MODULES, "here.js"));
const { compactVerify, createLocalJWKSet } = require("jose");

const fetchText = async (path) => (await fetch(`${process.env.PAGE}${path}`)).text();

const plain = JSON.parse(await fetchText("/.well-known/jwks.json"));
const { payload, protectedHeader } = await compactVerify(await fetchText("/.well-known/jwks.jwt"), createLocalJWKSet(plain));
assert.deepEqual(JSON.parse(new TextDecoder().decode(payload)).keys, plain.keys);
console.log(`${protectedHeader.typ} by ${protectedHeader.kid}`);
