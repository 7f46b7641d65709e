"""Makes the vectors of this folder, with the standard library and this folder alone: see README.md.

    python vectors/make.py          # writes them
    python vectors/make.py --check  # fails when they are other than what would be written
"""

import json
import sys
from pathlib import Path

from cases.forms import forms
from cases.histories import histories
from cases.keyrings import keyrings, kinds
from cases.pins import pins
from cases.signing import COPY
from cases.single import single

FOLDER = Path(__file__).parent
ORIGINAL = FOLDER.parent / "tests/golden/keyring.json"


def main() -> None:
    check = sys.argv[1:] == ["--check"]
    # Where the repository is around this folder.
    if ORIGINAL.exists() and ORIGINAL.read_bytes() != COPY.read_bytes():
        sys.exit(f"{COPY.name} is not the keyring of tests/golden any more; expected a copy of it")
    for make in (single, histories, keyrings, kinds, pins, forms):
        name, made = f"{make.__name__}.json", make()
        text = json.dumps(made, indent=1, ensure_ascii=True) + "\n"
        path = FOLDER / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{name} is not what make.py makes")
        print(f"{name}: {sum(len(list_) for list_ in made.values() if isinstance(list_, (list, tuple)))} cases")


if __name__ == "__main__":
    main()
