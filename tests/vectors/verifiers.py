"""Each verifier, asked in its own way: the command line by files, the others by a program that reads cases and tells outcomes.

A case is a keyring, perhaps a pin, and checkpoints. An outcome has either `refused`, where nothing was verified, or a verdict on each; with
each of them `about`, what its message names: of a checkpoint a member of it (`json` where it is none), of a keyring the key and its member.
"""

import base64
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SECRET = "c2VjcmV0"
"""What begins each private member of the vectors, which nobody shows."""
LANES = 2
"""Recipes that run at once."""


@dataclass(frozen=True)
class Case:
    name: str
    keyring: bytes
    checkpoints: tuple[bytes, ...]
    pin: str | None = None
    together: bool = False
    """Whether what the checkpoints say of each other is asked for as well."""
    form: bool = False
    """Whether it is a text that has checkpoints in it."""
    file: str | None = None
    """The name of the file it stands in, where that says something."""

    def line(self) -> str:
        checkpoints = [base64.b64encode(one).decode() for one in self.checkpoints]
        keyring = base64.b64encode(self.keyring).decode()
        told = {"keyring": keyring, "pin": self.pin, "checkpoints": checkpoints}
        return json.dumps({**told, "together": self.together, "form": self.form, "file": self.file}) + "\n"


@dataclass
class Outcome:
    refused: str | None = None
    """What makes it impossible to verify: `keyring` or `pin`."""
    about: str | None = None
    verdicts: list[tuple[str, str | None]] = field(default_factory=list)
    findings: list[dict] | None = None
    copies: int | None = None
    names: list[list[str]] = field(default_factory=list)
    """Of each verdict that is MALFORMED, all that its message names."""
    skipped: int | None = None

    def told(self) -> dict:
        told = {name: value for name, value in vars(self).items() if value is not None and name != "names"}
        return {name: value for name, value in told.items() if value or name != "verdicts"}


def about_checkpoint(kind: str, problem: str) -> str | None:
    """The member of the checkpoint that a message names first."""
    return None if kind != "MALFORMED" else all_about(problem)[0]


def all_about(problem: str) -> list[str]:
    """The members that a message names, of which there may be several."""
    faults = problem.removeprefix("this is not a signed checkpoint: ").split("; ")
    # Expectations have semicolons as well, and name nothing.
    named = [fault.partition(":")[0] for fault in faults if not fault.startswith("expected ")]
    return [re.split(r"[.\[ ]", name)[0].strip('"') for name in named]


def about_keyring(problem: str) -> str:
    """The key and the member of it that a message names."""
    found = re.search(r"(keys\[\d+\]): ([a-z_]+)", problem)
    return f"{found[1]}.{found[2]}" if found else "json"


class CommandLine:
    name = "command line"
    tells_days = False

    def __init__(self, program: list[str]) -> None:
        self.program = program

    def judge(self, cases: list[Case]) -> list[Outcome]:
        outcomes: dict[int, Outcome] = {}
        alone = [(at, case) for at, case in enumerate(cases) if not case.together]
        by_ring = lambda numbered: (numbered[1].keyring, numbered[1].pin or "", numbered[1].pin is None)
        for _, group in groupby(sorted(alone, key=by_ring), key=by_ring):
            outcomes.update(self._each(list(group)))
        for at, case in enumerate(cases):
            if case.together:
                outcomes[at] = self._together(case)
        return [outcomes[at] for at in range(len(cases))]

    def _run(self, folder: Path, case: Case, *more: str) -> subprocess.CompletedProcess:
        (folder / "ring").write_bytes(case.keyring)
        pin = [] if case.pin is None else [f"--pin={case.pin}"]
        return subprocess.run(
            [*self.program, "--keys", "ring", *pin, *more], cwd=folder, capture_output=True, text=True
        )

    @staticmethod
    def _refused(done: subprocess.CompletedProcess) -> Outcome | None:
        if done.returncode in (0, 1):
            return None
        assert done.returncode == 2, done
        assert SECRET not in done.stderr, done.stderr
        if "--pin: " in done.stderr:
            return Outcome(refused="pin")
        assert "keyring: " in done.stderr, done.stderr
        return Outcome(refused="keyring", about=about_keyring(done.stderr))

    def _each(self, numbered: list[tuple[int, Case]]) -> dict[int, Outcome]:
        """Many with one keyring, as a folder."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "given").mkdir()
            for at, case in numbered:
                (folder / "given" / f"{at:09}.{case.file or 'a.json'}").write_bytes(case.checkpoints[0])
            done = self._run(folder, numbered[0][1], "given", "--format", "ndjson")
        # Of texts, one may have nothing in it, or be an export that is not whole: then something was not checked.
        refused = None if numbered[0][1].form else self._refused(done)
        if refused:
            return {at: refused for at, _ in numbered}
        outcomes = {at: Outcome() for at, _ in numbered}
        for line in map(json.loads, done.stdout.splitlines()):
            for outcome in outcomes.values() if "summary" in line else ():
                outcome.skipped = len(line["summary"]["keys_skipped"])
            if "verdict" in line:
                at = int(line["file"].removeprefix("given/")[:9])
                kind = line["verdict"]
                outcomes[at].verdicts.append((kind, about_checkpoint(kind, line["explanation"])))
                outcomes[at].names.append(all_about(line["explanation"]) if kind == "MALFORMED" else [])
        return outcomes

    def _together(self, case: Case) -> Outcome:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            names = [f"{place:06}.json" for place in range(len(case.checkpoints))]
            for file, text in zip(names, case.checkpoints):
                (folder / file).write_bytes(text)
            (folder / "ring").write_bytes(case.keyring)
            done = self._run(folder, case, *names, "--format", "json")
        refused = self._refused(done)
        if refused:
            return refused
        told = json.loads(done.stdout)
        findings = [
            {
                "finding": one["finding"],
                "checkpoints": [int(member["source"].removesuffix(".json")) for member in one["checkpoints"]],
            }
            for one in told["faults"] + told["notes"]
        ]
        return Outcome(findings=findings, copies=told["summary"]["copies"])

    def many_together(self, cases: list[Case]) -> list[Outcome]:
        """Histories of one keyring, each of ledgers that no other has, in one run. The copies of all are told with the first."""
        outcomes = [Outcome(findings=[]) for _ in cases]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "given").mkdir()
            for at, case in enumerate(cases):
                for place, text in enumerate(case.checkpoints):
                    (folder / "given" / f"{at:06}-{place:06}.json").write_bytes(text)
            done = self._run(folder, cases[0], "given", "--format", "json")
        assert done.returncode in (0, 1), done
        told = json.loads(done.stdout)
        for one in told["faults"] + told["notes"]:
            sources = [member["source"].removeprefix("given/").removesuffix(".json") for member in one["checkpoints"]]
            (at, first), (_, second) = (map(int, source.split("-")) for source in sources)
            outcomes[at].findings.append({"finding": one["finding"], "checkpoints": [first, second]})
        outcomes[0].copies = told["summary"]["copies"]
        return outcomes


class Asked:
    """A verifier behind a program that reads a case a line and tells an outcome a line."""

    tells_days = True

    def __init__(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.name, self.command, self.environment = name, command, environment

    def judge(self, cases: list[Case]) -> list[Outcome]:
        given = "".join(case.line() for case in cases)
        done = subprocess.run(
            self.command,
            input=given,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**os.environ, **(self.environment or {})},
        )
        assert SECRET not in done.stdout, self.name
        lines = done.stdout.splitlines()
        assert len(lines) == len(cases), (self.name, len(lines), len(cases))
        return [self._outcome(json.loads(line)) for line in lines]

    @staticmethod
    def _outcome(told: dict) -> Outcome:
        refused, problem = told.get("refused"), told.get("problem", "")
        verdicts = [(kind, about_checkpoint(kind, why)) for kind, why in told.get("verdicts", [])]
        about = about_keyring(problem) if refused == "keyring" else None
        names = [all_about(why) if kind == "MALFORMED" else [] for kind, why in told.get("verdicts", [])]
        return Outcome(refused, about, verdicts, told.get("findings"), told.get("copies"), names, told.get("skipped"))


class Recipe:
    """An example of `examples/`, run as an auditor does: it ends in 0 for what is valid alone."""

    tells_days = False

    def __init__(self, name: str, command: list[str], folder: Path, pem: Callable[[bytes], bytes] | None = None) -> None:
        self.name, self.command, self.folder, self.pem = name, command, folder, pem

    @property
    def is_pem(self) -> bool:
        """Whether it takes keys as PEM, and not a keyring."""
        return self.pem is not None

    def judge(self, cases: list[Case]) -> list[Outcome]:
        with ThreadPoolExecutor(LANES) as pool:
            return list(pool.map(self._one, cases))

    def _one(self, case: Case) -> Outcome:
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            (folder / "published.json").write_bytes(case.checkpoints[0])
            (folder / "keys").write_bytes(self.pem(case.keyring) if self.pem else case.keyring)
            pin = [] if case.pin is None else [case.pin]
            command = [*self.command, str(folder / "published.json"), str(folder / "keys"), *pin]
            done = subprocess.run(command, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert SECRET not in said, (self.name, case.name)
        assert done.returncode in (0, 1), (self.name, case.name, done.returncode, said)
        assert done.returncode == 0 or "not valid: " in said or "Verification failure" in said, (self.name, case.name, said)
        return Outcome(verdicts=[("VALID" if done.returncode == 0 else "not valid", None)])
