"""Pins: the vectors that every verifier is held to, and the names that no key may have."""

import json

import pytest
from conftest import VECTORS as FOLDER
from conftest import Server, checkpoint

from amply_checkpoint_signer import Client, Keyring, KeyringError, verify

VECTORS = json.loads((FOLDER / "pins.json").read_text())
CASES = {case["name"]: case for case in VECTORS["cases"]}


@pytest.mark.parametrize("name", CASES)
def test_each_vector_gets_its_verdict_or_nothing_is_verified(name: str) -> None:
    case = CASES[name]

    def judge() -> str:
        return str(verify(case["checkpoint"], Keyring.from_jwks(case["keyring"]), pin=case["pin"]).kind)

    if case["verdict"] is None:
        with pytest.raises(KeyringError):
            judge()
    else:
        assert judge() == case["verdict"]


def test_a_fingerprint_is_that_of_the_vectors() -> None:
    for vector in VECTORS["fingerprints"]:
        (key,) = Keyring.from_jwks({"keys": [vector["key"]]})
        assert key.fingerprint == vector["fingerprint"]


def test_no_key_is_named_like_a_fingerprint() -> None:
    key = VECTORS["fingerprints"][0]["key"]
    for name in VECTORS["names"]:
        assert len(Keyring.from_jwks({"keys": [{**key, "kid": name}]})) == 1
    for name in VECTORS["no_names"]:
        with pytest.raises(KeyringError, match="could be taken for the fingerprint or thumbprint of a key"):
            Keyring.from_jwks({"keys": [{**key, "kid": name}]})


def test_a_refused_pin_is_told_the_fingerprint_to_compare(server: Server) -> None:
    with Client(server.url) as client:
        signed = client.sign(checkpoint())
        (key,) = client.list_keys()
        ring = client.keyring()
    (public,) = ring
    assert key.fingerprint == public.fingerprint
    assert verify(signed, ring, pin=key.fingerprint).valid
    for wrong in (key.key_id, key.thumbprint, key.fingerprint.upper(), key.fingerprint[:-1]):
        with pytest.raises(KeyringError) as refused:
            verify(signed, ring, pin=wrong)
        assert f"{key.key_id} {key.fingerprint}" in str(refused.value)
        assert "only after comparing it" in str(refused.value)


def test_a_fingerprint_of_no_key_is_told_as_that_and_as_a_whole() -> None:
    ring = Keyring.from_jwks({"keys": [VECTORS["fingerprints"][0]["key"]]})
    pin = "sha256:" + "0" * 64
    with pytest.raises(KeyringError) as refused:
        ring.trust_from(pin)
    assert f"pin: {pin} is the fingerprint of no key of the keyring. The keyring says" in str(refused.value)
    assert "hexadecimal" not in str(refused.value)
