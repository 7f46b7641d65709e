"""Verdicts offline: of every kind, and the same that the service and the command line give."""

import base64
import json
import subprocess
from pathlib import Path

import pytest
from conftest import GOLDEN, PROGRAM, Server, checkpoint
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from amply_checkpoint_signer import Checkpoint, Client, Keyring, KeyringError, Verdict, VerdictKind, verify

KEYRING = (GOLDEN / "keyring.json").read_text()
KEYS = {key["alg"]: key for key in json.loads(KEYRING)["keys"]}
SECOND = 1_737_000_000


def published(algorithm: str) -> str:
    return (GOLDEN / f"{algorithm}.published.json").read_text()


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(algorithm: str, **header: object) -> str:
    """The golden checkpoint, signed by its test key with another header."""
    secret = json.loads((GOLDEN / f"{algorithm}.secret.json").read_text())
    secret = secret.get("value", secret)
    members = json.loads((GOLDEN / "checkpoint.json").read_text())
    header = {"alg": algorithm, "iat": SECOND, "kid": secret["key_id"], "typ": "ledger-checkpoint+jws", **header}
    head = base64url(json.dumps(header).encode())
    message = f"{head}.{base64url(Checkpoint.from_dict(members).payload())}".encode()
    scheme = padding.PSS(padding.MGF1(SHA256()), 32) if header["alg"] == "PS256" else padding.PKCS1v15()
    signature = load_pem_private_key(secret["private_key"].encode(), None).sign(message, scheme, SHA256())
    return json.dumps({**members, "signature": f"{head}..{base64url(signature)}"})


def jwks(**changes: object) -> dict:
    return {"keys": [{**key, **changes} for key in KEYS.values()]}


def keyring(**changes: object) -> Keyring:
    return Keyring.from_jwks(jwks(**changes))


def assert_as_the_command_line(verdict: Verdict, text: str, keys: str, folder: Path) -> None:
    (folder / "published.json").write_text(text, "utf-8")
    (folder / "keyring.json").write_text(keys)
    command = [PROGRAM, "verify", "published.json", "--keys", "keyring.json", "--format", "json"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False)
    assert done.returncode == (0 if verdict.valid else 1)
    (found,) = json.loads(done.stdout)["verdicts"]
    signed_at = None if verdict.signed_at is None else verdict.signed_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (found["verdict"], found["key_id"], found["signed_at"]) == (verdict.kind, verdict.key_id, signed_at)
    if verdict.kind != VerdictKind.MALFORMED:
        assert found["explanation"] == verdict.explanation


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_the_golden_checkpoints_are_valid(algorithm: str) -> None:
    verdict = verify(published(algorithm), Keyring.from_jwks(KEYRING))
    assert (verdict.kind, verdict.key_id) == (VerdictKind.VALID, KEYS[algorithm]["kid"])
    assert verify(signed(algorithm), Keyring.from_jwks(KEYRING)).valid


FAULTS = {
    "a changed volume": (lambda text: text.replace('"total_volume":', '"total_volume":1', 1), "INVALID_SIGNATURE"),
    "an added member": (lambda text: text.replace("{", '{"a":1,', 1), "INVALID_SIGNATURE"),
    "a member twice": (lambda text: text.replace("{", '{"a":1,"a":1,', 1), "MALFORMED"),
    "no end": (lambda text: text.rstrip()[:-1], "MALFORMED"),
    "a number too large": (lambda text: text.replace("{", '{"a":9007199254740992,', 1), "MALFORMED"),
    "a number that is none": (lambda text: text.replace("{", '{"a":NaN,', 1), "MALFORMED"),
    "half a surrogate pair": (lambda text: text.replace("{", r'{"a":"\ud800",', 1), "MALFORMED"),
    "nested too deep": (lambda text: text.replace("{", '{"a":' + "[" * 17 + "]" * 17 + ",", 1), "MALFORMED"),
    "nested as deep as may be": (
        lambda text: text.replace("{", '{"a":' + "[" * 16 + "]" * 16 + ",", 1),
        "INVALID_SIGNATURE",
    ),
    "a payload inside": (lambda text: text.replace("..", ".e30."), "MALFORMED"),
    "padding": (lambda text: text.replace("..", "==.."), "MALFORMED"),
    "no signature": (lambda text: text.replace('"signature"', '"signatur"'), "MALFORMED"),
    "another name": (lambda text: text.replace('"ledger_id":"', '"ledger_id":" '), "MALFORMED"),
    "other white space": (lambda text: json.dumps(json.loads(text), indent=3), "VALID"),
    "another notation": (lambda text: text.replace("{", '{"a":1e2,"b":-0.0,', 1), "INVALID_SIGNATURE"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_gets_the_verdict_of_the_service(server: Server, fault: str, tmp_path: Path) -> None:
    plant, expected = FAULTS[fault]
    with Client(server.url) as client:
        text = plant(client.sign(checkpoint()).published_json)
        offline, online = verify(text, client.keyring()), client.verify(text)
    assert_as_the_command_line(offline, text, server.run("keys", "export"), tmp_path)
    assert (offline.kind, offline.key_id, offline.signed_at) == (online.kind, online.key_id, online.signed_at)
    assert offline.kind == expected
    if offline.kind != VerdictKind.MALFORMED:
        assert offline.explanation == online.explanation


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        (signed("PS256", iat=1), jwks(), "OUTSIDE_VALIDITY"),
        (signed("PS256", iat=KEYS["PS256"]["exp"]), jwks(), "OUTSIDE_VALIDITY"),
        (signed("PS256", iat=KEYS["PS256"]["nbf"]), jwks(), "VALID"),
        (signed("PS256", kid="nobody"), jwks(), "UNKNOWN_KEY"),
        (signed("PS256", alg="RS256"), jwks(), "ALGORITHM_MISMATCH"),
        (signed("PS256", kid=KEYS["RS256"]["kid"]), jwks(), "ALGORITHM_MISMATCH"),
        (signed("PS256", typ="record-head+jws"), jwks(), "MALFORMED"),
        (signed("PS256", crit=["x"]), jwks(), "MALFORMED"),
        (signed("PS256", iat="1"), jwks(), "MALFORMED"),
        (signed("PS256"), jwks(revoked={"revoked_at": SECOND}), "KEY_REVOKED"),
        (signed("PS256"), jwks(revoked={"revoked_at": SECOND + 1}), "VALID"),
    ],
)
def test_each_kind_of_verdict(text: str, keys: dict, expected: str, tmp_path: Path) -> None:
    verdict = verify(text, Keyring.from_jwks(keys))
    assert verdict.kind == expected
    assert_as_the_command_line(verdict, text, json.dumps(keys), tmp_path)


def test_a_pinned_key_leads_forwards_by_endorsements_and_not_back() -> None:
    ring = Keyring.from_jwks(KEYRING)
    first, second = KEYS["RS256"]["kid"], KEYS["PS256"]["kid"]
    endorsed = json.loads(KEYRING)
    for key in endorsed["keys"]:
        if key["kid"] == second:
            key["endorsement"] = (GOLDEN / "RS256.endorsement.jws").read_text().strip()
    ring = Keyring.from_jwks(endorsed)
    pin = ring.get(first).fingerprint
    assert verify(published("PS256"), ring, pin=pin).valid
    back = verify(published("RS256"), ring, pin=ring.get(second).fingerprint)
    assert back.kind == VerdictKind.UNKNOWN_KEY
    assert back.explanation == f"no chain from the pinned key: {first} has no endorsement by an earlier key"
    next(key for key in endorsed["keys"] if key["kid"] == second)["exp"] += 1
    false = verify(published("PS256"), Keyring.from_jwks(endorsed), pin=pin)
    assert "endorses something else" in false.explanation
    with pytest.raises(KeyringError, match="pin: "):
        verify(published("PS256"), ring, pin="nobody")


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"kty": 5}, "kty"), ({"e": "Aw"}, "e"), ({"n": "AQAB"}, "n"), ({"exp": 0}, "exp"), ({"alg": None}, "alg")],
)
def test_a_keyring_that_is_wrong_is_refused_with_the_member(changes: dict, named: str) -> None:
    with pytest.raises(KeyringError, match=rf"keys\[0\]: {named}: "):
        keyring(**changes)


def test_nothing_from_elsewhere_steers_a_terminal() -> None:
    tricks = "x\n\rVALID \x1b[2K\x9b31m\u202e\u2066\u2028\x85\u200b\x7f"
    revoked = keyring(revoked={"revoked_at": 0, "reason": tricks})
    verdict = verify(published("PS256"), revoked)
    assert verdict.kind == VerdictKind.KEY_REVOKED
    assert "x\\n\\rVALID \\u{1b}[2K" in verdict.explanation
    member = json.dumps(tricks)
    malformed = verify(published("PS256").replace("{", "{" + member + ":1e999,", 1), revoked)
    assert malformed.kind == VerdictKind.MALFORMED
    with pytest.raises(KeyringError) as refused:
        keyring(**{"kid": tricks})
    for text in (verdict.explanation, repr(verdict), malformed.explanation, str(refused.value), repr(refused.value)):
        assert text.isprintable(), ascii(text)
