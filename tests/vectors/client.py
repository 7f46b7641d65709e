"""The Python client: a line with a case comes in, a line with the outcome goes out."""

import base64
import json
import sys

from amply_checkpoint_signer import Keyring, KeyringError, verify, verify_all


def judge(case: dict) -> dict:
    keyring = base64.b64decode(case["keyring"])
    checkpoints = [base64.b64decode(one) for one in case["checkpoints"]]
    try:
        ring = Keyring.from_jwks(keyring)
    except KeyringError as error:
        return {"refused": "keyring", "problem": str(error)}
    try:
        if case["together"]:
            together = verify_all(checkpoints, ring, case["pin"])
            verdicts = together.verdicts
        else:
            verdicts = [verify(one, ring, case["pin"]) for one in checkpoints]
    except KeyringError as error:
        return {"refused": "pin", "problem": str(error)}
    told = {"verdicts": [[str(one.kind), one.explanation] for one in verdicts], "skipped": len(ring.skipped)}
    if case["together"]:
        told["copies"] = together.copies
        told["findings"] = [
            {"finding": str(one.kind), "checkpoints": list(one.checkpoints)} | ({"days": one.days} if one.days else {})
            for one in together.findings
        ]
    return told


for line in sys.stdin:
    print(json.dumps(judge(json.loads(line))))
