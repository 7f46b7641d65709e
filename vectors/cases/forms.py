"""The forms in which checkpoints are published and handed on: a text, and the verdict on each checkpoint in it."""

import json

from .signing import FIRST, SECOND, VERSION, canonical, content, published


def forms() -> dict:
    one, two = published(FIRST), published(FIRST, content("2025-06-02", entry_count=15843))
    three = published(SECOND, content("2026-06-01", entry_count=20000), "2026-06-02")
    changed = one.replace("15842", "15843")
    cases: list[dict] = []

    def case(name: str, text: str, *verdicts: str) -> None:
        cases.append({"name": name, "text": text, "verdicts": list(verdicts)})

    def indented(text: str, by: int = 2) -> str:
        return json.dumps(json.loads(text), indent=by)

    well = ("VALID", "VALID")
    case("one", one, "VALID")
    case("one over several lines", indented(one), "VALID")
    case("one over several lines, with CRLF", indented(one).replace("\n", "\r\n"), "VALID")
    case("one with line ends around it", f"\n\n{one}\n\n", "VALID")
    case("one on each line", f"{one}\n{two}\n", *well)
    case("one on each line, with CRLF", f"{one}\r\n{two}\r\n", *well)
    case("one on each line, the last without an end", f"{one}\n{two}", *well)
    case("one on each line, with empty lines between them", f"{one}\n\n \n{two}\n", *well)
    case("one on each line, one of them changed", f"{one}\n{changed}\n{three}\n", "VALID", "INVALID_SIGNATURE", "VALID")
    case("one on each line, one of them no JSON", f"{one}\nnot JSON\n{two}\n", "VALID", "MALFORMED", "VALID")
    # Of texts that follow one another, only lines are told apart: it is one that goes on behind its end.
    case("two over several lines", f"{indented(one)}\n{indented(two)}\n", "MALFORMED")
    case("an array", f"[{one},{two}]", *well)
    case("an array over several lines", f"[\n  {one},\n  {two}\n]\n", *well)
    case("an array of indented ones", f"[{indented(one)},\n{indented(two)}]", *well)
    case("an array of one", f"[{one}]", "VALID")
    case("an array, one of them changed", f"[{one},{changed}]", "VALID", "INVALID_SIGNATURE")
    case("an array with something else in it", f'[{one},1,"a",null,{{}}]', "VALID", *["MALFORMED"] * 4)
    case("an array in an array", f"[{one},[{two}]]", "VALID", "MALFORMED")
    page = f'{{"checkpoints":[{one},{two}],"next_page":"abc"}}'
    case("a page of /v1/checkpoints", page, *well)
    case("the last page of /v1/checkpoints", f'{{"checkpoints":[{one}]}}', "VALID")
    case("a page, indented", json.dumps(json.loads(page), indent=1), *well)
    # What has a member of a checkpoint is one, whatever else it has: nothing hides it.
    hidden = canonical({**content(keys=[FIRST.jwk()]), "signature": "a..b"})
    case("a checkpoint that has keys", hidden, "MALFORMED")
    case("a signed checkpoint that has keys", published(FIRST, content(keys=[])), "VALID")
    case("a signed checkpoint that has checkpoints", published(FIRST, content(checkpoints=[1])), "VALID")
    case("an object of something else", '{"a":1}', "MALFORMED")
    case("no JSON", "Dear Sir or Madam", "MALFORMED")
    return {"version": VERSION, "keyring": {"keys": [FIRST.jwk(), SECOND.jwk()]}, "cases": cases}
