import { Keyring, KeyringError, PinError, type Result, takeApart, verify } from "@amply/checkpoint-verify";

export async function all(text: string, jwks: Uint8Array): Promise<number> {
  const keyring: Keyring = await Keyring.parse(jwks);
  const { checkpoints } = takeApart(text);
  const result: Result = await verify(checkpoints, keyring, { pin: keyring.keys[0]?.fingerprint ?? null });
  for (const { kind, signedAt, payload } of result.verdicts) {
    if (kind === "VALID" && signedAt !== null && payload !== null) console.log(new Date(signedAt * 1000), payload.byteLength);
  }
  for (const { finding, checkpoints: [one, other], days } of result.findings) console.log(finding, one + other, days ?? 0);
  const { valid } = await verify(text, text);
  return valid && !(result instanceof KeyringError || result instanceof PinError) ? result.copies + result.skipped.length : 0;
}
