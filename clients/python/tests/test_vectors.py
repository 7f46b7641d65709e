"""The vectors that every verifier is held to: single checkpoints, and checkpoints that are seen together."""

import base64
import json

import pytest
from conftest import VECTORS

from amply_checkpoint_signer import Keyring, KeyringError, verify, verify_all

SINGLE = json.loads((VECTORS / "single.json").read_text())
KEYRINGS = json.loads((VECTORS / "keyrings.json").read_text())
HISTORIES = json.loads((VECTORS / "histories.json").read_text())


def published(case: dict) -> str | bytes:
    if "published_pieces" in case:
        return "".join(piece * count for piece, count in case["published_pieces"])
    return case["published"] if "published" in case else base64.b64decode(case["published_base64"])


@pytest.mark.parametrize("name", [case["name"] for case in SINGLE["cases"]])
def test_each_checkpoint_gets_its_verdict(name: str) -> None:
    (case,) = (case for case in SINGLE["cases"] if case["name"] == name)
    keyring = Keyring.from_jwks(SINGLE["keyrings"][case["keyring"]])
    assert str(verify(published(case), keyring).kind) == case["verdict"]


@pytest.mark.parametrize("name", [case["name"] for case in KEYRINGS["cases"]])
def test_each_keyring_is_read_or_refused(name: str) -> None:
    (case,) = (case for case in KEYRINGS["cases"] if case["name"] == name)
    text = case["keyring"] if "keyring" in case else base64.b64decode(case["keyring_base64"])
    if case["verdict"] is None:
        with pytest.raises(KeyringError):
            Keyring.from_jwks(text)
        return
    keyring = Keyring.from_jwks(text)
    found = (str(verify(KEYRINGS["checkpoint"], keyring).kind), len(keyring.skipped))
    assert found == (case["verdict"], case["skipped"])


@pytest.mark.parametrize("name", [case["name"] for case in HISTORIES["cases"]])
def test_what_contradicts_is_found(name: str) -> None:
    (case,) = (case for case in HISTORIES["cases"] if case["name"] == name)
    keyring = Keyring.from_jwks(HISTORIES["keyrings"][case["keyring"]])
    together = verify_all(case["checkpoints"], keyring)
    found = [
        {"finding": str(one.kind), "checkpoints": list(one.checkpoints)} | ({"days": one.days} if one.days else {})
        for one in together.findings
    ]
    assert (found, together.copies) == (case["findings"], case["copies"])
    faults = [one for one in case["findings"] if one["finding"] != "GAP"]
    genuine = bool(case["checkpoints"]) and all(verdict.valid for verdict in together.verdicts)
    assert together.valid is (genuine and not faults)
