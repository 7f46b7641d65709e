// What @grpc/grpc-js with @grpc/proto-loader makes of each number, as the service signed it: a line for each, "NAME: WHAT IS PUBLISHED",
// or the service's words.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.MODULES, "here.js"));
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const definition = loader.loadSync("amply/checkpoint/v1/signing_service.proto", { includeDirs: [process.env.PROTO] });
const { SigningService } = grpc.loadPackageDefinition(definition).amply.checkpoint.v1;
const client = new SigningService(process.env.SERVER, grpc.credentials.createInsecure());

let count = 0;
const sign = (members) =>
  new Promise((resolve) => {
    count += 1;
    const checkpoint = {
      checkpointId: "chk_1",
      ledgerId: `org_${count}`,
      timestamp: { seconds: 1735689600 },
      cumulativeHash: `sha256:${"0".repeat(64)}`,
      entryCount: 5,
      totalVolume: 7,
      ...members,
    };
    client.SignCheckpoint({ checkpoint }, (error, answer) =>
      resolve(error ? { refused: error.details } : JSON.parse(answer.signedCheckpoint.publishedJson)),
    );
  });

const show = async (name, members, member) => {
  const published = await sign(members);
  console.log(`${name}: ${published.refused ?? JSON.stringify(published[member])}`);
};

const volume = (name, value) => show(name, { totalVolume: value }, "total_volume");
await volume("-5", -5);
await volume("1.5", 1.5);
await volume("NaN", NaN);
await volume("abc", "abc");
await volume("undefined", undefined);
await volume("-5n", -5n);
await volume('"-5"', "-5");
await volume("2^53-1", Number.MAX_SAFE_INTEGER);
await volume("2^53", 2 ** 53);
await volume('"2^53+1"', "9007199254740993");
await show("count of -1", { entryCount: -1 }, "entry_count");
await show("spelt wrongly", { entryCount: undefined, entry_count: 5 }, "entry_count");
await show("plain object", { organizationSummaries: [{ total: 5 }] }, "organization_summaries");
await show("fields", { organizationSummaries: [{ fields: { total: { numberValue: 5 } } }] }, "organization_summaries");
client.close();
