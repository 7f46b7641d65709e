"""Makes the stubs of the API from its protos while the package is built, so that they cannot differ.

They go under the package's own name (`_proto`), since other code may have an `amply` of its own.
"""

import re
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "amply_checkpoint_signer"
FOLDER = Path("amply/checkpoint/v1")


def protos(root: Path) -> Path:
    """The folder of the protos: in a source distribution beside this file, in the repository above it."""
    for folder in (root / "proto", root.parent.parent / "proto"):
        if (folder / FOLDER).is_dir():
            return folder
    raise FileNotFoundError(f"proto: {root} has no {FOLDER} in proto or ../../proto; expected the API's protos there")


def make_stubs(protos: Path, into: Path) -> list[Path]:
    """Runs protoc, and has the stubs import one another from where they will stand."""
    # Not at the top: a source distribution is made without it.
    from grpc_tools import protoc  # noqa: PLC0415

    sources = sorted(str(path) for path in (protos / FOLDER).glob("*.proto"))
    # google/protobuf comes with grpc_tools.
    well_known = Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{protos}", f"-I{well_known}", f"--python_out={into}", f"--pyi_out={into}", *sources]
    if protoc.main(arguments) != 0:
        raise RuntimeError(f"protoc refuses the protos in {protos}")
    stubs = sorted((into / FOLDER).iterdir())
    for stub in stubs:
        text = stub.read_text(encoding="utf-8")
        stub.write_text(re.sub(r"(?m)^from amply\.checkpoint\.v1 import", "from . import", text), encoding="utf-8")
    return stubs


class Stubs(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the stubs into the wheel, and the protos into the source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build."""
        folder = protos(Path(self.root))
        include = build_data["force_include"]
        if self.target_name == "sdist":
            include[str(folder)] = "proto"
            return
        self._made = tempfile.TemporaryDirectory()
        into = Path(self._made.name)
        include[str(into / "__init__.py")] = f"{PACKAGE}/_proto/__init__.py"
        (into / "__init__.py").write_text('"""Messages of the API, as protoc makes them."""\n', encoding="utf-8")
        for stub in make_stubs(folder, into):
            include[str(stub)] = f"{PACKAGE}/_proto/{stub.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called after each build."""
        if self.target_name != "sdist":
            self._made.cleanup()
