"""Certificates: who is let in, and that renewed files are taken up without a restart."""

import asyncio
import shutil
from pathlib import Path

import pytest
from conftest import FOLDER, PATIENT, Server, checkpoint

import amply_checkpoint_signer as signer
from amply_checkpoint_signer import AsyncClient, Client, RetryPolicy, Tls


def tls(name: str = "ledger") -> Tls:
    return Tls(FOLDER / "ca.crt", FOLDER / f"{name}.crt", FOLDER / f"{name}.key")


@pytest.fixture
def guarded(start) -> Server:
    return start(tls=True)


def test_a_ledger_with_its_certificate_signs(guarded: Server) -> None:
    with Client(guarded.tls_url, tls=tls()) as client:
        signed = client.sign(checkpoint())

    async def use() -> signer.SignedCheckpoint:
        address = f"127.0.0.1:{guarded.port}"
        named = Tls(FOLDER / "ca.crt", FOLDER / "ledger.crt", FOLDER / "ledger.key", server_name="localhost")
        async with AsyncClient(address, tls=named) as client:
            return await client.sign(checkpoint())

    assert asyncio.run(use()) == signed


def test_another_role_is_told_so_at_once(guarded: Server) -> None:
    with Client(guarded.tls_url, tls=tls("auditor")) as client:
        with pytest.raises(signer.RoleRequired):
            client.sign(checkpoint())
        with pytest.raises(signer.RoleRequired):
            list(client.sign_many([checkpoint()]))


def test_without_a_certificate_there_is_no_way_in(guarded: Server) -> None:
    client = Client(guarded.tls_url, tls=Tls(FOLDER / "ca.crt"), retry=RetryPolicy(deadline=0.5))
    with client, pytest.raises(signer.CheckpointSignerError):
        client.sign(checkpoint())


def test_renewed_files_are_taken_up_by_the_next_call(guarded: Server, tmp_path: Path) -> None:
    own = Tls(FOLDER / "ca.crt", tmp_path / "own.crt", tmp_path / "own.key")

    def renew(name: str, *endings: str) -> None:
        for ending in endings:
            shutil.copy(FOLDER / f"{name}.{ending}", tmp_path / "new")
            (tmp_path / "new").replace(tmp_path / f"own.{ending}")

    renew("auditor", "crt", "key")
    with Client(guarded.tls_url, tls=own, retry=PATIENT) as client:
        with pytest.raises(signer.RoleRequired):
            client.sign(checkpoint())
        # Half of a renewal: the old pair goes on.
        renew("ledger", "crt")
        with pytest.raises(signer.RoleRequired):
            client.sign(checkpoint())
        renew("ledger", "key")
        assert client.sign(checkpoint()).signature


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="expected both or none"):
        Tls(certificate="a.crt")
    with pytest.raises(ValueError, match="expected https"):
        Client("http://localhost:1", tls=Tls())
    with pytest.raises(ValueError, match="not the address of a server"):
        Client("localhost")
    with pytest.raises(OSError, match="none"), Client("localhost:1", tls=Tls("/none")) as client:
        client.sign(checkpoint())
