"""Services of the real program, each in a folder of its own. Environment variables say where things are."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amply_checkpoint_signer import Checkpoint, RetryPolicy

PROGRAM = os.environ["CLIENT_TEST_PROGRAM"]
FOLDER = Path(os.environ["CLIENT_TEST_FOLDER"])
"""Has keys.json, expired.json, scheduled.json, and for TLS ca.crt, server.*, ledger.*, auditor.*, roles.toml."""
GOLDEN = Path(os.environ["CLIENT_TEST_GOLDEN"])
VECTORS = Path(os.environ["CLIENT_TEST_VECTORS"])
DATABASE = os.environ["CLIENT_TEST_DATABASE"]
"""The address of an empty PostgreSQL database: only there do several services share one record."""
PATIENT = RetryPolicy(deadline=30, attempt=5)


def make(record: str) -> None:
    subprocess.run([PROGRAM, "record", "init", "--record", record], check=True, stdout=subprocess.DEVNULL)


class Server:
    """A service that can be killed, frozen and started again at the same address."""

    def __init__(self, folder: Path, keys: Path, record: str | None = None, *, tls: bool = False) -> None:
        self.folder = folder
        self.port = 0
        shutil.copy(keys, folder / "keys.json")
        self.keys = folder / "keys.json"
        self.record = record or f"sqlite:{folder / 'record.sqlite'}"
        if record is None:
            make(self.record)
        self._tls = []
        if tls:
            files = {"certificate": "server.crt", "key": "server.key", "client-ca": "ca.crt"}
            self._tls = [part for name, file in files.items() for part in (f"--tls-{name}", str(FOLDER / file))]
            self._tls += ["--roles", str(FOLDER / "roles.toml")]
        self.start()

    def start(self) -> None:
        serve = ["serve", "--source", f"file:{self.keys}", "--record", self.record]
        serve += ["--grpc", f"127.0.0.1:{self.port}", *self._tls]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen([PROGRAM, *serve], stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("gRPC on "), (self.folder / "log").read_text()
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def restart(self) -> None:
        self.kill()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"https://localhost:{self.port}"

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [PROGRAM, *arguments, "--server", self.url], check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def begin(keys: str = "keys.json", **settings: object) -> Server:
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        server = Server(folder, FOLDER / keys, **settings)  # type: ignore[arg-type]
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def shared_record() -> str:
    make(DATABASE)
    return DATABASE


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    return start()


def members(number: int = 1, ledger: str = "org_1", **changes: object) -> dict:
    """The state of a ledger after `number` entries, as the JSON object."""
    return {
        "checkpoint_id": f"chk_{number}",
        "ledger_id": ledger,
        "timestamp": "2025-01-15T23:59:59Z",
        "cumulative_hash": f"sha256:{number:064x}",
        "entry_count": number,
        "total_volume": number * 10,
        "organization_summaries": [{"name": "Hilfe für Kinder", "share": 0.25, "sum": number}],
        **changes,
    }


def checkpoint(number: int = 1, ledger: str = "org_1", **changes: object) -> Checkpoint:
    return Checkpoint.from_dict(members(number, ledger, **changes))
