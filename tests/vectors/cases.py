"""The vectors of `vectors/`, each as a case and what is expected of it."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from verifiers import Case, Outcome


@dataclass(frozen=True)
class Vector:
    file: str
    case: Case
    expected: Outcome
    of_a_recipe: bool | None = None
    """Whether a recipe finds it valid; none where it does not say, or judges no such thing."""
    in_pem: bool = False
    """Whether the keyring can be written as PEM, and says all there that matters."""


def read(folder: Path) -> list[Vector]:
    def of(name: str) -> dict:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    makers = {
        "single.json": single,
        "histories.json": histories,
        "keyrings.json": keyrings,
        "pins.json": pins,
        "forms.json": forms,
    }
    return [vector for name, make in makers.items() for vector in make(of(name))]


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def single(told: dict) -> list[Vector]:
    vectors = []
    for one in told["cases"]:
        case = Case(one["name"], text(told["keyrings"][one["keyring"]]), (published(one),))
        expected = Outcome(verdicts=[(one["verdict"], one.get("about"))])
        in_pem = one["verdict"] != "KEY_REVOKED"
        vectors.append(Vector("single.json", case, expected, one["verdict"] == "VALID", in_pem))
    return vectors


def published(case: dict) -> bytes:
    if "published_base64" in case:
        return base64.b64decode(case["published_base64"])
    if "published_pieces" in case:
        return "".join(piece * count for piece, count in case["published_pieces"]).encode()
    return case["published"].encode()


def histories(told: dict) -> list[Vector]:
    vectors = []
    for one in told["cases"]:
        checkpoints = tuple(checkpoint.encode() for checkpoint in one["checkpoints"])
        case = Case(one["name"], text(told["keyrings"][one["keyring"]]), checkpoints, together=True)
        vectors.append(Vector("histories.json", case, Outcome(findings=one["findings"], copies=one["copies"])))
    return vectors


def keyrings(told: dict) -> list[Vector]:
    vectors = []
    for one in told["cases"]:
        ring = base64.b64decode(one["keyring_base64"]) if "keyring_base64" in one else one["keyring"].encode()
        case = Case(one["name"], ring, (told["checkpoint"].encode(),))
        if one["verdict"] is None:
            # Recipes follow no endorsements, and so read none.
            judged = None if one["about"].endswith(".endorsement") else False
            vectors.append(Vector("keyrings.json", case, Outcome(one["refused"], one["about"]), judged))
        else:
            expected = Outcome(verdicts=[(one["verdict"], None)], skipped=one["skipped"])
            vectors.append(Vector("keyrings.json", case, expected, one["verdict"] == "VALID"))
    return vectors


def pins(told: dict) -> list[Vector]:
    vectors = []
    for one in told["cases"]:
        case = Case(one["name"], text(one["keyring"]), (one["checkpoint"].encode(),), pin=one["pin"])
        verdict = one["verdict"]
        expected = Outcome(one["refused"], one.get("about")) if verdict is None else Outcome(verdicts=[(verdict, one.get("about"))])
        in_pem = verdict != "KEY_REVOKED"
        vectors.append(Vector("pins.json", case, expected, verdict == "VALID" and one["alone"], in_pem))
    vectors.extend(fingerprints(told))
    return vectors


def fingerprints(told: dict) -> list[Vector]:
    """A fingerprint is that of its key: it may be pinned, and so the key that signed is not the pinned one. A name of a key: as it may be."""
    vectors = []
    stranger = told["cases"][0]["checkpoint"].encode()
    for one in told["fingerprints"]:
        kid = one["key"]["kid"]
        verdict = "VALID" if kid == "key-2025" else "UNKNOWN_KEY"
        case = Case(f"the fingerprint of {kid}", text({"keys": [one["key"]]}), (stranger,), pin=one["fingerprint"])
        vectors.append(Vector("pins.json", case, Outcome(verdicts=[(verdict, None)]), verdict == "VALID", True))
    (key,) = (one["key"] for one in told["fingerprints"] if one["key"]["kid"] == "key-2025")
    for name in told["names"]:
        case = Case(f"a key named {name}", text({"keys": [{**key, "kid": name}]}), (stranger,))
        vectors.append(Vector("pins.json", case, Outcome(verdicts=[("UNKNOWN_KEY", None)], skipped=0), False, True))
    for name in told["no_names"]:
        case = Case(f"no key is named {name}", text({"keys": [{**key, "kid": name}]}), (stranger,))
        vectors.append(Vector("pins.json", case, Outcome("keyring", "keys[0].kid"), False, True))
    return vectors


def form_of(case: dict) -> bytes:
    return base64.b64decode(case["text_base64"]) if "text_base64" in case else case["text"].encode()


def forms(told: dict) -> list[Vector]:
    vectors = []
    for one in told["cases"]:
        case = Case(one["name"], text(told["keyring"]), (form_of(one),), form=True, file=one.get("file"))
        vectors.append(Vector("forms.json", case, Outcome(verdicts=[(verdict, None) for verdict in one["verdicts"]])))
    return vectors
