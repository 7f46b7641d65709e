"""All whole verifiers against each other, on cases that are made by mutation from a seed: the command line, the page, the npm package, the
Python client. What they say is compared, verdict and reason.

    python tests/vectors/fuzz.py MACHINE.json --seed 1 --cases 20000

A case that is told apart is printed as a line of JSON, with what each said; ends in 1 then. With --only N one batch is run again.
"""

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from machine import Machine
from mutation import Maker, is_one, is_strict
from texts import TextMaker
from verifiers import Case, CommandLine, Outcome

BATCH = 2000
# Of each kind how often it is chosen, and how many are in a batch at most: of each history the command line is told in one run with others.
KINDS = {"single": (5, BATCH), "keyring": (2, 500), "history": (3, 900), "text": (2, 500)}


def batch(seed: str, size: int) -> tuple[str, list[Case]]:
    """The cases of a batch, by its seed alone."""
    maker = Maker(seed)
    kind = maker.random.choices(list(KINDS), [often for often, _ in KINDS.values()])[0]
    make = {"single": maker.singles, "keyring": maker.keyrings, "history": maker.histories, "text": TextMaker(maker).cases}[kind]
    cases = make(min(size, KINDS[kind][1]))
    return kind, [case for case in cases if kind != "single" or is_one(case.checkpoints[0])]


def comparable(case: Case, outcome: Outcome) -> dict:
    told = outcome.told()
    if case.together:
        return {"findings": [{name: one[name] for name in ("finding", "checkpoints")} for one in told["findings"]]}
    kinds = [kind for kind, _ in told.get("verdicts", [])]
    if case.form:
        return {"verdicts": kinds}
    # A text that is none may be told line by line.
    kinds = kinds[:1] if set(kinds) == {"MALFORMED"} else kinds
    return {"verdicts": kinds} if kinds else {"refused": told["refused"], "about": told.get("about")}


def is_same(case: Case, outcomes: list[Outcome]) -> bool:
    """Whether all say the same: verdicts, findings, what is refused, and why. Of several faults each may be named that all of them see; of a text
    that is read strictly by nobody, which fault is met first depends on the reader.
    """
    told = [comparable(case, outcome) for outcome in outcomes]
    if any(one != told[0] for one in told):
        return False
    if case.together or case.form or told[0].get("verdicts") != ["MALFORMED"] or not is_strict(case.checkpoints[0]):
        return True
    return bool(set.intersection(*(set(outcome.names[0]) for outcome in outcomes)))


def ask(verifier: object, cases: list[Case]) -> list[Outcome]:
    if isinstance(verifier, CommandLine) and cases[0].together:
        return verifier.many_together(cases)
    return verifier.judge(cases)


def run(machine: Machine, verifiers: list, seed: str, size: int) -> tuple[str, Counter, int, int]:
    kind, cases = batch(seed, size)
    # The Python client takes no text apart.
    verifiers = [verifier for verifier in verifiers if kind != "text" or verifier.name != "Python client"]
    with ThreadPoolExecutor(len(verifiers)) as pool:
        answers = list(pool.map(lambda verifier: ask(verifier, cases), verifiers))
    different = 0
    seen: Counter = Counter()
    for at, case in enumerate(cases):
        outcomes = [answer[at] for answer in answers]
        first = comparable(case, outcomes[0])
        seen[first.get("refused") or (" ".join(first["verdicts"][:1]) if "verdicts" in first else f"{len(first['findings'])} findings")] += 1
        if not is_same(case, outcomes):
            different += 1
            said = {verifier.name: {**outcome.told(), "names": outcome.names} for verifier, outcome in zip(verifiers, outcomes)}
            print(json.dumps({"seed": seed, "at": at, **said, "case": json.loads(case.line())}))
    copies = [sum(outcome.copies or 0 for outcome in answer) for answer in answers]
    if len(set(copies)) > 1:
        different += 1
        print(json.dumps({"seed": seed, "copies": copies}))
    return kind, seen, len(cases), different


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("machine", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--only", type=int)
    asked = parser.parse_args()
    machine = Machine.read(asked.machine)
    verifiers = machine.whole()
    done, different, number, begin = Counter(), 0, asked.only or 0, time.monotonic()
    seen: Counter = Counter()
    while sum(done.values()) < asked.cases:
        left = asked.cases - sum(done.values())
        kind, verdicts, count, wrong = run(machine, verifiers, f"{asked.seed}/{number}", min(BATCH, max(left, 10)))
        done[kind] += count
        seen += verdicts
        different += wrong
        number += 1
        if asked.only is not None:
            break
    print(f"{dict(done)} cases in {number} batches, {time.monotonic() - begin:.0f} s: {dict(seen.most_common())}", file=sys.stderr)
    print(f"{sum(done.values())} cases, {different} told apart")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
