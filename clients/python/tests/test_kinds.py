"""Keys of other kinds in a keyring: the vectors that every reader is held to."""

import json
from typing import Any

import pytest
from conftest import GOLDEN
from conftest import VECTORS as FOLDER

from amply_checkpoint_signer import Keyring, KeyringError, verify

VECTORS = json.loads((FOLDER / "kinds.json").read_text())
RING = json.loads((GOLDEN / "keyring.json").read_text())
PUBLISHED = (GOLDEN / "PS256.published.json").read_text()
SECRET = "c2VjcmV0"


def names(kind: str) -> list[str]:
    return [case["name"] for case in VECTORS[kind]]


def case(kind: str, name: str) -> dict[str, Any]:
    (found,) = (case for case in VECTORS[kind] if case["name"] == name)
    return found


@pytest.mark.parametrize("name", names("skipped"))
def test_a_key_of_another_kind_is_skipped_and_told(name: str) -> None:
    key = case("skipped", name)["key"]
    ring = Keyring.from_jwks({"keys": [key, *RING["keys"]]})
    assert len(ring) == len(RING["keys"])
    assert verify(PUBLISHED, ring).valid
    (skipped,) = ring.skipped
    assert (skipped.index, SECRET in skipped.why) == (0, False)
    pinned = ring.trust_from(next(key.fingerprint for key in ring if key.algorithm == "PS256"))
    assert pinned.skipped == ring.skipped


@pytest.mark.parametrize("name", names("read"))
def test_a_key_of_the_known_kind_is_read_whatever_stands_beside_it(name: str) -> None:
    key = case("read", name)["key"]
    ring = Keyring.from_jwks({"keys": [key]})
    assert (len(ring), ring.skipped) == (1, ())
    assert verify(PUBLISHED, ring).valid


@pytest.mark.parametrize("name", names("refused"))
def test_a_wrong_key_of_the_known_kind_and_a_private_one_are_refused(name: str) -> None:
    wrong = case("refused", name)
    with pytest.raises(KeyringError) as refused:
        Keyring.from_jwks({"keys": [wrong["key"], *RING["keys"]]})
    assert wrong["member"] in str(refused.value)
    assert SECRET not in str(refused.value)
