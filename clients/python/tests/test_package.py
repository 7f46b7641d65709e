"""The package as others get it: its types, and the examples of its README by copy and paste."""

import re
import subprocess
import sys
from importlib.metadata import files, metadata, version
from pathlib import Path

from conftest import PROGRAM, Server

import amply_checkpoint_signer as signer
from amply_checkpoint_signer._errors import BY_REASON

PROJECT = Path(__file__).parent.parent
ROOT = PROJECT.parent.parent
EXAMPLES = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def run(*arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_example_of_the_readme_does_what_it_says(server: Server, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(EXAMPLES[0].replace("http://127.0.0.1:50051", server.url), encoding="utf-8")
    published, kind, refused = run(str(script)).splitlines()
    assert '"signature":"' in published
    assert kind == "VALID"
    assert refused.startswith("EQUIVOCATION: ")


def test_the_readmes_can_be_followed_one_after_the_other(tmp_path: Path) -> None:
    """The main README's steps first, with its own service; then these, twice."""
    serve = [PROGRAM, "serve", "--dev", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with (tmp_path / "log").open("w") as log:
        service = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=log, text=True, cwd=tmp_path)
    try:
        assert service.stdout is not None
        lines = iter(service.stdout.readline, "")
        address = next(line for line in lines if line.startswith("gRPC on ")).rsplit("/", 1)[1].strip()
        main = re.findall(r"<<'END'\n(.*?)\nEND\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        (of_ledgers,) = [block for block in main if signer.__name__ in block]
        for number, example in enumerate([of_ledgers, EXAMPLES[0], EXAMPLES[0]]):
            script = tmp_path / f"step_{number}.py"
            assert "127.0.0.1:50051" in example
            script.write_text(example.replace("127.0.0.1:50051", address), encoding="utf-8")
            assert "\nVALID" in run(str(script), cwd=ROOT)
    finally:
        service.kill()
        service.wait()
        service.stdout.close()  # type: ignore[union-attr]


def test_the_example_of_the_fake_holds(tmp_path: Path) -> None:
    (example,) = [one for one in EXAMPLES if "FakeSigner" in one]
    (tmp_path / "test_example.py").write_text(example, encoding="utf-8")
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py", cwd=tmp_path)


def test_the_other_examples_can_be_run_and_have_types(tmp_path: Path) -> None:
    for number, example in enumerate(EXAMPLES):
        (tmp_path / f"example_{number}.py").write_text(example, encoding="utf-8")
        compile(example, f"example {number}", "exec")
    run("-m", "mypy", "--no-incremental", *(f"example_{n}.py" for n in range(len(EXAMPLES))), cwd=tmp_path)


def test_the_package_is_strictly_typed(tmp_path: Path) -> None:
    settings = str(PROJECT / "pyproject.toml")
    run("-m", "mypy", "--no-incremental", "--config-file", settings, "-p", signer.__name__, cwd=tmp_path)


def test_the_sources_are_tidy() -> None:
    run("-m", "ruff", "check", "--no-cache", str(PROJECT))
    run("-m", "ruff", "format", "--check", "--no-cache", str(PROJECT))


def test_the_wheel_has_the_types_and_the_stubs_of_each_proto() -> None:
    names = {Path(str(file)).name for file in files("amply-checkpoint-signer") or []}
    protos = (PROJECT.parent.parent / "proto" / "amply" / "checkpoint" / "v1").glob("*.proto")
    stubs = {f"{proto.stem}_pb2.py" for proto in protos}
    assert "py.typed" in names
    assert {name for name in names if name.endswith("_pb2.py")} == stubs
    assert version("amply-checkpoint-signer") == signer.__version__ == "0.1.0"


def test_the_metadata_says_what_one_looks_for() -> None:
    told = metadata("amply-checkpoint-signer")
    assert (told["License-Expression"], told["Requires-Python"]) == ("Apache-2.0", ">=3.10")
    assert told.get_all("License-File") == ["LICENSE"]
    assert {"Typing :: Typed", "Framework :: AsyncIO", "Programming Language :: Python :: 3.10"} <= set(
        told.get_all("Classifier") or []
    )
    assert (PROJECT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_each_reason_of_the_service_has_an_exception() -> None:
    # The service's own tests hold that page against its table of reasons.
    page = (PROJECT.parent.parent / "docs" / "reasons.md").read_text()
    rows = re.findall(r"^\| [A-Z_]+ \| (`[^|]+`) \|", page, re.MULTILINE)
    reasons = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert len(reasons) > 15
    # KEY_REFUSED is for RefreshKeys and CLOCK_NOT_BEHIND for ResumeClock, which operators call.
    assert reasons - set(BY_REASON) == {"CLOCK_NOT_BEHIND", "KEY_REFUSED"}
