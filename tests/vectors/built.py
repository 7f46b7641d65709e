"""The command line, built from a copy of its source: the crates that judge, with the versions of the workspace, in a folder that stays, so that what
they depend on is built once."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from verifiers import ROOT

CRATES = ("checkpoint", "files", "verify")
PROFILE = "\n[profile.dev]\nopt-level = 1\ndebug = false\n"


def copy(root: Path) -> None:
    """The crates, and a workspace of them alone."""
    for crate in CRATES:
        # With the time of now: cargo builds again what is newer than what it has built.
        shutil.copytree(ROOT / "crates" / crate, root / "crates" / crate, copy_function=shutil.copyfile)
    shutil.copyfile(ROOT / "Cargo.lock", root / "Cargo.lock")
    shared = (ROOT / "Cargo.toml").read_text(encoding="utf-8").split("\n[package]\n")[0]
    (root / "Cargo.toml").write_text(re.sub(r"(?m)^(default-)?members = .*$", of_these, shared) + PROFILE, encoding="utf-8")


def of_these(line: re.Match) -> str:
    return "" if line[1] else f"members = {[f'crates/{crate}' for crate in CRATES]}"


def program(cargo: str, root: Path, target: Path) -> Path:
    """Builds it. Nothing is fetched: the versions are those that the tests themselves were built with."""
    command = [cargo, "build", "--quiet", "--offline", "--package", "checkpoint-verify", "--target-dir", str(target)]
    # The compiler beside it, and not the one on the path: rustup's stands for it there, and may install another version first.
    compiler = Path(cargo).with_name("rustc")
    assert compiler.is_file(), f"{compiler} is missing; expected the compiler beside {cargo}"
    ours = {"RUSTC": str(compiler), "RUSTUP_AUTO_INSTALL": "0", "CARGO_INCREMENTAL": "0", "RUSTFLAGS": "--cap-lints=allow"}
    subprocess.run(command, cwd=root, check=True, env={**os.environ, **ours})
    return target / "debug" / "checkpoint-verify"
