"""Texts with checkpoints in them, as people hand them on, and as nobody should: arrays, lists, lines, exports, and what is neither, one in the other."""

import json

from mutation import Maker, honest, pool
from verifiers import Case

JUNK = ("not JSON", "{", "}", "[", "]", '{"a":1}', "1", "null", '"a"', "{}", '{"a":', ",", "\ufeff", "\u00a0", "\f", "\u2028", "{\"checkpoints\":", "{\"keys\":[1]}")
BETWEEN = ("\n", "\n", "\n", "\n", "\r\n", "\n\n", "\n \t\n", "\n\f\n", "\r", "\u2028", "", " ", "\n\u00a0\n")
FILES = (None, None, None, None, "a.ndjson", "a.jsonl", "a.NDJSON", "a.Json")
HEADER = '{"record_export":1,"rows":1,"root":"00","keyring":{"keys":[]}'


class TextMaker:
    """Of a batch, by its seed."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.random = maker.random

    def checkpoint(self) -> str:
        text = self.random.choice(pool(self.random.randrange(20))).decode()
        roll = self.random.random()
        if roll < 0.1:
            return text.replace('"total_volume":', '"total_volume":1')
        if roll < 0.2:
            return json.dumps(json.loads(text), indent=self.random.choice((None, 0, 1, 2)))
        if roll < 0.25:
            return text[: self.random.randrange(len(text))]
        return text

    def listed(self, depth: int) -> str:
        """An array, or what /v1/checkpoints gives, or nearly."""
        items = [self.piece(depth + 1) for _ in range(self.random.choice((0, 1, 1, 2, 3)))]
        space = self.random.choice(("", "", " ", "\n", "\n  ", "\f"))
        array = "[" + space + f",{space}".join(items) + space + "]"
        if self.random.random() < 0.5:
            return array
        members = [f'"checkpoints":{array}']
        for member in ('"next_page":"a"', '"next_page":null', f'"checkpoints":{array}', '"keys":[]', f'"a":{self.checkpoint()}'):
            if self.random.random() < 0.15:
                members.append(member)
        self.random.shuffle(members)
        return "{" + space + f",{space}".join(members) + "}"

    def header(self) -> str:
        more = self.random.choice(("", "", ',"environment":"a"', ',"environment":null', ',"clock_resumptions":[]', ',"a":1', ',"rows":1', ',"environment":1', ',"clock_resumptions":[{}]'))
        return self.random.choice((HEADER, HEADER, HEADER.replace(":1,", ":2,", 1), HEADER.replace('"00"', "0"), HEADER.replace('"rows":1', '"rows":-1'))) + more + "}"

    def piece(self, depth: int = 0) -> str:
        roll = self.random.random()
        if roll < 0.6 or depth > 2:
            return self.checkpoint()
        if roll < 0.75:
            return self.listed(depth)
        if roll < 0.8:
            return self.header()
        if roll < 0.85:
            return json.dumps({"keys": honest()[:1]} | self.random.choice(({}, {"a": 1}, {"signature": "a"}, {"checkpoints": []})))
        return self.random.choice(JUNK)

    def text(self) -> str:
        pieces = [self.piece() for _ in range(self.random.choice((1, 1, 2, 2, 3, 4)))]
        if self.random.random() < 0.15:
            pieces.insert(0, self.header())
        text = pieces[0]
        for piece in pieces[1:]:
            text += self.random.choice(BETWEEN) + piece
        around = lambda: self.random.choice(("", "", "", "\n", "\n\n", " ", "\r\n", "\ufeff", "\f"))
        text = around() + text + around()
        if self.random.random() < 0.1:
            text = self.maker.bytes(text.encode()).decode("utf-8", "ignore")
        return text

    def cases(self, count: int) -> list[Case]:
        ring = json.dumps({"keys": honest()}).encode()
        # What is a keyring and nothing else is offered as one by those that take keyrings so.
        texts = [text for text in (self.text() for _ in range(count)) if not is_keyring(text)]
        return [Case(str(at), ring, (self.written(text),), form=True, file=self.random.choice(FILES)) for at, text in enumerate(texts)]

    def written(self, text: str) -> bytes:
        """In UTF-8, with a byte in it at times that is none."""
        data = text.encode()
        if self.random.random() < 0.1:
            at = self.random.randrange(len(data) + 1)
            data = data[:at] + self.random.choice((b"\xff", b"\xfc", b"\xc3", b"\xed\xa0\x80")) + data[at:]
        return data


def is_keyring(text: str) -> bool:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and isinstance(told.get("keys"), list)
