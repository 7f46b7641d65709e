"""Plants faults in copies of the verifiers, one at a time, and has the vectors catch each.

    python tests/vectors/faults.py MACHINE.json

Ends in 1 when a fault is caught by no vector. The command line is built again for each.
"""

import fcntl
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import built
from cases import Vector, read
from machine import Machine
from table import asked, differs
from verifiers import ROOT, CommandLine

JAVASCRIPT = Path("clients/javascript")
CLIENT = Path("clients/python/src/amply_checkpoint_signer")
CHUNK = 24
"""Cases that a recipe is asked at once: the first that is wrong is enough."""

# The verifier; the file of it; what stands there; what is put in its place.
FAULTS = (
    ("command line", Path("crates/checkpoint/src/verdict.rs"), "if header.alg != version.algorithm {", "if false {"),
    ("command line", Path("crates/checkpoint/src/keyring/chain.rs"), "match known.revocation().is_some() {", "match false {"),
    ("command line", Path("crates/verify/src/bulk/history.rs"), "if row[COUNT] < before[COUNT] {", "if row[COUNT] <= before[COUNT] {"),
    ("page", JAVASCRIPT / "src/verify.js", "header.iat >= key.exp", "header.iat > key.exp"),
    ("page", JAVASCRIPT / "src/keyring.js", "if (by.revoked) return", "if (false) return"),
    ("page", JAVASCRIPT / "src/together.js", "one.time - other.time || one.count - other.count", "one.time - other.time"),
    ("npm package", JAVASCRIPT / "src/json.js", "if (members.has(name))", "if (false)"),
    ("npm package", JAVASCRIPT / "src/input.js", "named.size === members.length", "true"),
    ("npm package", JAVASCRIPT / "src/checkpoint.js", "if (toBase64Url(bytes) === text) return bytes;", "return bytes;"),
    ("npm package", JAVASCRIPT / "index.js", "await verdictOn(published, keys, pin)", "await verdictOn(published, keys, null)"),
    ("Python client", CLIENT / "_jws.py", "return data if encode(data) == text else None", "return data"),
    ("Python client", CLIENT / "_keyring.py", "if endorser.distrusted_from is not None:", "if False:"),
    ("Python client", CLIENT / "_together.py", "(row.seconds, row.entry_count, row.place)", "(row.place,)"),
    ("recipe: Python", Path("examples/verify_with_python.py"), 'check(not {"crit", "b64"} & header.keys(), "the header asks for an extension")', ""),
    ("recipe: Python", Path("examples/verify_with_python.py"), "1 - 2**53, 2**53 - 1)", "0, 2**53 - 1)"),
    ("recipe: Python", Path("examples/verify_with_python.py"), "or depth <= deepest", "or True"),
    ("recipe: Node", Path("examples/verify-with-node.mjs"), 'check(bytes.toString("base64url") === part, ', "check(true, "),
    ("recipe: Node", Path("examples/verify-with-node.mjs"), "if (isName) check(!names.at(-1).has(told), `${told} stands twice`);", ""),
    ("recipe: Node", Path("examples/verify-with-node.mjs"), "header.iat < jwk.exp", "header.iat <= jwk.exp"),
    ("recipe: openssl", Path("examples/verify-with-openssl.sh"), 'if [ "$alg" != "$key_alg" ]; then', "if false; then"),
    ("recipe: openssl", Path("examples/verify-with-openssl.sh"), "rsa_pss_saltlen:32", "rsa_pss_saltlen:auto"),
    ("recipe: openssl", Path("examples/verify-with-openssl.sh"), 'name.encode("utf-16-be")', "name"),
)


def planted(machine: Machine, name: str, root: Path) -> object:
    """The verifier of this copy."""
    if name == "command line":
        return CommandLine([str(built.program(machine.cargo, root, machine.built / "target"))])
    if name == "page":
        return machine.page(machine.page_module(root / "page", root))
    if name == "npm package":
        return machine.package(root / JAVASCRIPT)
    if name == "Python client":
        return machine.client_of(root / CLIENT.parent)
    return machine.recipe(name.removeprefix("recipe: "), root / "examples")


def copy(machine: Machine, name: str, root: Path) -> None:
    if name == "command line":
        return built.copy(root)
    shutil.copytree(ROOT / JAVASCRIPT, root / JAVASCRIPT)
    shutil.copytree(ROOT / "examples", root / "examples")
    # With the stubs, which are made when it is installed.
    shutil.copytree(machine.client_folder(), root / CLIENT)


@contextmanager
def folder_for(machine: Machine, name: str) -> Iterator[Path]:
    """An empty folder. That of the command line has the same name each time, by which cargo knows what it has built."""
    if name != "command line":
        with tempfile.TemporaryDirectory(dir=machine.folder) as folder:
            yield Path(folder)
        return
    machine.built.mkdir(exist_ok=True)
    with open(machine.built / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        source = machine.built / "source"
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        yield source


def caught(vectors: list[Vector], verifier: object) -> str | None:
    """The first vector that is other than expected."""
    mine = asked(vectors, verifier)
    for start in range(0, len(mine), CHUNK):
        some = mine[start : start + CHUNK]
        for vector, outcome in zip(some, verifier.judge([one.case for one in some])):
            if differs(vector, outcome, verifier):
                return f"{vector.file}: {vector.case.name}"
    return None


def main() -> int:
    machine = Machine.read(Path(sys.argv[1]))
    vectors = read(ROOT / "vectors")
    missed = 0
    for name, file, old, new in FAULTS:
        with folder_for(machine, name) as root:
            copy(machine, name, root)
            text = (root / file).read_text(encoding="utf-8")
            assert text.count(old) == 1, (name, old, text.count(old))
            (root / file).write_text(text.replace(old, new), encoding="utf-8")
            found = caught(vectors, planted(machine, name, root))
        missed += found is None
        print(f"{name}: {old!r} -> {new!r}: {f'caught by {found}' if found else 'NOT CAUGHT'}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
