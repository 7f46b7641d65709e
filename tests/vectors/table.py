"""Runs the vectors by each verifier, and prints a table: a line for each file, a column for each verifier.

    python tests/vectors/table.py MACHINE.json

MACHINE.json says where the parts are: see machine.py. Ends in 1 when an outcome is other than expected, and names each.
"""

import sys
from pathlib import Path

from cases import Vector, read
from machine import Machine
from verifiers import ROOT, Outcome, Recipe


def asked(vectors: list[Vector], verifier: object) -> list[Vector]:
    """Those that are for this verifier."""
    if isinstance(verifier, Recipe):
        return [one for one in vectors if one.of_a_recipe is not None and (one.in_pem or not verifier.is_pem)]
    if verifier.name == "Python client":
        return [one for one in vectors if not one.case.form]
    # The command line says that there is nothing to verify where there is nothing.
    return [one for one in vectors if one.case.checkpoints or verifier.name != "command line"]


def differs(vector: Vector, outcome: Outcome, verifier: object) -> str | None:
    """What is not as it should be: all that is expected, and a finding's days where the verifier tells them."""
    expected = vector.expected
    if isinstance(verifier, Recipe):
        wanted = "VALID" if vector.of_a_recipe else "not valid"
        return None if outcome.verdicts[0][0] == wanted else f"{outcome.verdicts[0][0]}; expected {wanted}"
    wanted, found = expected.told(), outcome.told()
    # Of some cases several members may be named, and of a form none is.
    names = [about is not None for _, about in wanted.get("verdicts", [])]
    if len(names) == len(found.get("verdicts", [])):
        found["verdicts"] = [(kind, about if named else None) for (kind, about), named in zip(found.get("verdicts", []), names)]
    if not verifier.tells_days and "findings" in wanted:
        wanted["findings"] = [{name: one[name] for name in ("finding", "checkpoints")} for one in wanted["findings"]]
    shown = {name: found.get(name, []) for name in wanted}
    return None if shown == wanted else f"{shown}; expected {wanted}"


def run(vectors: list[Vector], verifier: object) -> tuple[dict[str, int], list[str]]:
    """How many of each file were run, and each that is other than expected."""
    mine = asked(vectors, verifier)
    counts: dict[str, int] = {}
    wrong = []
    for vector, outcome in zip(mine, verifier.judge([one.case for one in mine])):
        counts[vector.file] = counts.get(vector.file, 0) + 1
        problem = differs(vector, outcome, verifier)
        if problem is not None:
            wrong.append(f"{verifier.name}: {vector.file}: {vector.case.name}: {problem}")
    return counts, wrong


def main() -> int:
    machine = Machine.read(Path(sys.argv[1]))
    vectors = read(ROOT / "vectors")
    verifiers = machine.verifiers()
    results = [(verifier.name, *run(vectors, verifier)) for verifier in verifiers]
    files = list(dict.fromkeys(vector.file for vector in vectors))
    print("| cases | in all |", " | ".join(name for name, _, _ in results), "|")
    print("| --- |" + " ---: |" * (len(results) + 1))
    for file in files:
        whole = sum(vector.file == file for vector in vectors)
        cells = []
        for _, counts, wrong in results:
            bad = sum(f": {file}: " in one for one in wrong)
            cells.append(f"{counts[file] - bad} of {counts[file]}" if counts.get(file) else "-")
        print(f"| {file} | {whole} |", " | ".join(cells), "|")
    wrong = [one for _, _, all_ in results for one in all_]
    print("\n".join(wrong) if wrong else "all are as expected")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
