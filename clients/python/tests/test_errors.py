"""Exceptions are what other programs get hold of: they are pickled, copied, logged."""

import copy
import importlib
import pickle
import pkgutil

import grpc
import pytest
from conftest import Server, checkpoint, members

import amply_checkpoint_signer as signer
from amply_checkpoint_signer import Client, FieldViolation, LedgerHeld
from amply_checkpoint_signer._json import Fault


def all_kinds() -> list[type[Exception]]:
    """Every exception that the package has."""
    modules = [
        importlib.import_module(one.name) for one in pkgutil.iter_modules(signer.__path__, signer.__name__ + ".")
    ]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    ours = {kind for kind in found if issubclass(kind, Exception) and kind.__module__.startswith(signer.__name__)}
    return sorted(ours, key=lambda kind: kind.__name__)


def made(kind: type[Exception]) -> Exception:
    if issubclass(kind, signer.CheckpointSignerError):
        fields = [FieldViolation("a", "is wrong")]
        code = grpc.StatusCode.ABORTED
        return kind("what it is", reason="A_TEST", code=code, fields=fields, retry_delay=0.5, request_id="night-7")
    return kind("a", "is wrong") if kind is Fault else kind("what it is")


def test_there_are_as_many_as_are_told() -> None:
    assert len(all_kinds()) > 35


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_each_comes_back_as_it_was(kind: type[Exception], again) -> None:
    error = made(kind)
    found = again(error)
    assert type(found) is kind
    assert (str(found), repr(found), found.args, vars(found)) == (str(error), repr(error), error.args, vars(error))


def test_what_was_raised_by_a_call_comes_back_with_its_cause(server: Server) -> None:
    with Client(server.url) as client:
        client.sign(checkpoint(9))
        with pytest.raises(signer.Rollback) as caught:
            client.sign(checkpoint(8), request_id="night-7")
        outcomes = list(client.sign_many([checkpoint(7), checkpoint(10)]))
    found = pickle.loads(pickle.dumps(caught.value))
    assert (type(found), found.request_id, found.reason) == (signer.Rollback, "night-7", "ROLLBACK")
    assert str(found).endswith("(request_id night-7)")
    held = pickle.loads(pickle.dumps(outcomes[1].error))
    assert isinstance(held, LedgerHeld)
    assert isinstance(held.__cause__, signer.Rollback)
    with pytest.raises(signer.InvalidCheckpoint) as invalid:
        checkpoint(entry_count=-1)
    assert pickle.loads(pickle.dumps(invalid.value)).fields == invalid.value.fields


def test_a_repr_is_short_and_shows_no_content(server: Server) -> None:
    content = "SECRET-" + "x" * 1000
    given = members(more=content, organization_summaries=[{"name": content}])
    with Client(server.url) as client:
        signed = client.sign(given)
        (outcome,) = client.sign_many([given])
        shown = [signed, signed.checkpoint, outcome, client.get_signed_checkpoint("org_1", "chk_1"), client]
        shown += [client.keyring(), *client.keyring(), *client.list_keys(), client.verify(signed)]
    for one in shown:
        assert "SECRET" not in repr(one)
        assert len(repr(one)) < 700, repr(one)
    assert "chk_1" in repr(signed)
