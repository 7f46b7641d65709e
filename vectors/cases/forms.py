"""The forms in which checkpoints are published and handed on: a text, and the verdict on each checkpoint in it."""

import base64
import json

from .signing import FIRST, SECOND, VERSION, canonical, content, published


def forms() -> dict:
    one, two = published(FIRST), published(FIRST, content("2025-06-02", entry_count=15843))
    three = published(SECOND, content("2026-06-01", entry_count=20000), "2026-06-02")
    changed = one.replace("15842", "15843")
    cases: list[dict] = []

    def case(name: str, text: str | bytes, *verdicts: str, file: str | None = None) -> None:
        told = {"text": text} if isinstance(text, str) else {"text_base64": base64.b64encode(text).decode()}
        cases.append({"name": name} | ({} if file is None else {"file": file}) | told | {"verdicts": list(verdicts)})

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
    # A list has its two members alone, and each once: what stands beside them would not be seen.
    bad = ("MALFORMED",)
    both = f'"checkpoints":[{two}]'
    case("a list, the other way round", f'{{"next_page":"abc","checkpoints":[{one},{two}]}}', *well)
    case("a list whose second name is escaped", f'{{{both},"next\\u005fpage":1}}', "VALID")
    case("an array whose beginning is within 64 bytes", " " * 63 + f"[{one},{two}]", *well)
    case("an array whose beginning is not", " " * 64 + f"[{one},{two}]", *bad)
    case("an array behind empty lines", f"\n \n[{one},{two}]", *well)
    case("a list whose next page is no text", f'{{"checkpoints":[{one}],"next_page":1e400}}', "VALID")
    case("a list that has its checkpoints twice", f'{{"checkpoints":[{changed}],{both}}}', *bad)
    case("a list that has its next page twice", f'{{{both},"next_page":"a","next_page":"b"}}', *bad)
    case("a list with something beside it", f'{{{both},"bad":{changed}}}', *bad)
    case("a list with a list beside it", f'{{{both},"next_page":"x","a":{{"checkpoints":[{changed}]}}}}', *bad)
    case("a list with a keyring beside it", f'{{{both},"keys":[]}}', *bad)
    case("a list with a checkpoint among its keys", f'{{{both},"keys":[{changed}]}}', *bad)
    case("a keyring with a list beside it", f'{{"keys":[],{both}}}', *bad)
    case("a list whose first name is escaped", f'{{"\\u0063heckpoints":[{two}]}}', *bad)
    case("a list whose checkpoints are no array", '{"checkpoints":{}}', *bad)
    case("a list without checkpoints", '{"next_page":"abc"}', *bad)
    case("a list in a list", f'{{"checkpoints":[{{{both}}}]}}', *bad)
    case("a list in an array", f"[{one},{{{both}}}]", "VALID", *bad)
    case("a list of none in an array", f'[{one},{{"checkpoints":[]}}]', "VALID", *bad)
    case("a list on the first line", f"{{{both}}}\n{one}\n", *bad, "VALID")
    case("a list on each line", f'{{"checkpoints":[{one}]}}\n{{{both}}}\n', *bad, *bad)
    case("an array on each line", f"[{one}]\n[{two}]\n", *bad, *bad)
    case("an array in an array, deeper than any reader goes", f"[{one},{'[' * 600}{']' * 600}]", "VALID", *bad)
    # Among checkpoints, a keyring is none.
    case("a keyring on a line", f'{one}\n{{"keys":[]}}\n', "VALID", *bad)
    case("a keyring on the first line", f'{{"keys":[]}}\n{one}\n', *bad, "VALID")
    case("a keyring in an array", f'[{one},{{"keys":[]}}]', "VALID", *bad)
    case("a keyring with a list beside it, on a line", f'{one}\n{{"keys":[],"checkpoints":[{changed}]}}\n', "VALID", *bad)
    case("a keyring with a list beside it, in an array", f'[{one},{{"keys":[1],"checkpoints":[{changed}]}}]', "VALID", *bad)
    # Nothing but the white space of JSON, and a form feed alone on its line, is nothing.
    case("a byte order mark before it", f"\ufeff{one}", *bad)
    case("a byte order mark on a line", f"{one}\n\ufeff\n{two}\n", "VALID", *bad, "VALID")
    case("a no-break space on a line", f"{one}\n\u00a0\n{two}\n", "VALID", *bad, "VALID")
    case("a no-break space alone", "\u00a0", *bad)
    case("a form feed on a line", f"{one}\n\f\n{two}\n", *well)
    case("a form feed alone on the lines before one over several lines", f"\n\f\n{indented(one)}", "VALID")
    case("a form feed alone on the second line of one over several lines", indented(one).replace("{\n", "{\n\f\n", 1), "VALID")
    case("a form feed alone on the last line of one over several lines", f"{indented(one)}\n\f\n", *bad)
    case("a form feed behind one", f"{one}\f\n{two}\n", *bad, "VALID")
    case("two between which a carriage return stands", f"{one}\r{two}\r", *bad)
    case("two between which a line separator stands", f"{one}\u2028{two}", *bad)
    case("a broken one before others", f'{{"a":\n{one}\n', *bad, "VALID")
    case("a broken one before a line that begins with a blank", f'{{"a":\n {one}\n', *bad)
    case("lines that begin with blanks", f"  {one}\n\t{two}\n", *well)
    case("a line tabulation on a line", f"{one}\n\v\n{two}\n", "VALID", *bad, "VALID")
    case("half of a surrogate pair on the first line", f'{{"a":"\\ud800"}}\n{one}\n', *bad, "VALID")
    head = '{"record_export":1,"rows":1,"root":"00","keyring":{"keys":[]}'
    case("an export", f"{head}}}\n{one}\n{two}\n", *well)
    case("an export of an environment", f'{head},"environment":"test","clock_resumptions":[]}}\n{one}\n', "VALID")
    case("an export behind empty lines", f"\n \f\n {head}}}\n{one}\n", "VALID")
    case("an export that ends in a line of blanks", f"{head}}}\n{one}\n ", "VALID", *bad)
    case("an export of no environment", f'{head},"environment":null}}\n{one}\n', "VALID")
    for name, changed in {
        "whose version is a fraction": head.replace(":1,", ":1.0,", 1), "whose version is a text": head.replace(":1,", ':"1",', 1),
        "whose rows are a fraction": head.replace('"rows":1', '"rows":1.0'), "whose root is null": head.replace('"00"', "null"), "without a root": head.replace('"root":"00",', ""),
        "whose environment is a number": f'{head},"environment":5', "whose resumptions are null": f'{head},"clock_resumptions":null',
        "with a resumption of nothing": f'{head},"clock_resumptions":[{{}}]',
    }.items():
        case(f"an export's first line {name}", f"{changed}}}\n{one}\n", *bad, "VALID")
    resumed = '{"after_rows":1,"newest_signed_at":-1,"resumed_from":0,"by":"a","reason":"","more":null}'
    case("an export with a resumption", f'{head},"clock_resumptions":[{resumed}]}}\n{one}\n', "VALID")
    case("an export with an empty line", f"{head}}}\n{one}\n\n{two}\n", "VALID", *bad, "VALID")
    case("an export's first line behind another", f"{one}\n{head}}}\n{two}\n", "VALID", *bad, "VALID")
    case("an export's first line with something else in it", f'{head},"checkpoints":[]}}\n{one}\n', *bad, "VALID")
    case("an export's first line with a member twice", f'{head},"rows":1}}\n{one}\n', *bad, "VALID")
    case("an export's first line of another version", f'{head.replace(":1,", ":2,", 1)}}}\n{one}\n', *bad, "VALID")
    beyond = ["-0", "1.0", str(2**63), str(-(2**63) - 1), "8210266876800", "-8334601228801"]
    for time in beyond:
        resumed = f'{{"after_rows":1,"newest_signed_at":{time},"resumed_from":1,"by":"a","reason":"b"}}'
        case(f"an export's first line with the time {time}", f'{head},"clock_resumptions":[{resumed}]}}\n{one}\n', *bad, "VALID")
    for first in (
        head.replace('"00"', '"\\ud800"') + "}",
        head + ',"environment":"\\ud800"}',
        head + ',"clock_resumptions":[{"after_rows":1,"newest_signed_at":1,"resumed_from":1,"by":"\\udc00","reason":"b"}]}',
        head + ',"clock_resumptions":[{"after_rows":1,"newest_signed_at":1,"resumed_from":1,"by":"a","reason":"b","\\ud800":1}]}',
        head.replace('"rows":1', '"rows":-1') + "}",
        head.replace('"rows":1', f'"rows":{2**64}') + "}",
    ):
        case(f"no export's first line: {first[:120]}", f"{first}\n{one}\n", *bad, "VALID")
    resumed = '{"after_rows":1,"newest_signed_at":8210266876799,"resumed_from":-8334601228800,"by":"a","reason":"b","more":"\\ud800"}'
    case("an export's first line with the last times and a member more", f'{head},"clock_resumptions":[{resumed}]}}\n{one}\n', "VALID")
    # One that is not UTF-8 takes nothing away from the others.
    latin = one.replace('"total_volume"', '"note":"M\u00fcller","total_volume"').encode("latin-1")
    case("one on each line, one of them in Latin-1", b"\n".join([one.encode(), latin, two.encode()]) + b"\n", "VALID", *bad, "VALID")
    case("one on each line, the first in Latin-1", b"\n".join([latin, one.encode()]) + b"\n", *bad, "VALID")
    case("an array, one of them in Latin-1", b"[" + latin + b"," + one.encode() + b"]", *bad)
    case("one over several lines, in Latin-1", json.dumps(json.loads(latin.decode("latin-1")), indent=1, ensure_ascii=False).encode("latin-1"), *bad)
    case("a byte that is no UTF-8 on a line", one.encode() + b"\n\xff\n" + two.encode() + b"\n", "VALID", *bad, "VALID")
    case("a zero before one on a line", b"\0{\n" + one.encode() + b"\n", *bad, "VALID")
    # Readers that know the members by their places take an array of their values for the object.
    case("an export's first line as an array", f'[1,1,"00",{{"keys":[]}}]\n{one}\n', *bad, "VALID")
    case("an export's first line with a resumption as an array", f'{head},"clock_resumptions":[[1,2,3,"a","b"]]}}\n{one}\n', *bad, "VALID")
    twice = '{"after_rows":1,"newest_signed_at":1,"resumed_from":1,"by":"a","reason":"b","more":1,"more":2}'
    case("an export's first line with a resumption that has a member more, twice", f'{head},"clock_resumptions":[{twice}]}}\n{one}\n', "VALID")
    case("an object of something else", '{"a":1}', "MALFORMED")
    # The name of a file says that each stands on a line, and then nothing else is looked for.
    case("one on each line, as the name says", f"{one}\n{two}\n", *well, file="a.ndjson")
    case("an array in a file of lines", f"[{one},{two}]\n", *bad, file="a.ndjson")
    case("a page of /v1/checkpoints in a file of lines", f"{page}\n", *bad, file="a.jsonl")
    case("one over several lines in a file of lines", '{\n"a":1\n}\n', *bad, *bad, *bad, file="a.NDJSON")
    case("two lines that are no JSON in a file of lines", f"not JSON\nnor this\n{one}\n", *bad, *bad, "VALID", file="a.jsonl")
    case("two lines that are no JSON", f"not JSON\nnor this\n{one}\n", *bad)
    case("an export in a file of lines", f"{head}}}\n{one}\n{two}\n", *well, file="a.ndjson")
    case("an indented one before one on a line", f"{indented(one)}\n{two}\n", *bad)
    case("one on a line before an indented one", f"{one}\n{{\n}}\n", "VALID", *bad, *bad)
    case("an object that is cut off before one on a line", f"{{\n{one}\n", *bad, "VALID")
    case("no JSON", "Dear Sir or Madam", "MALFORMED")
    return {"version": VERSION, "keyring": {"keys": [FIRST.jwk(), SECOND.jwk()]}, "cases": cases}
