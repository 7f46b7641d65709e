"""What is refused before it is sent, in the service's words."""

from datetime import datetime, timezone
from decimal import Decimal

import grpc
import pytest
from amply_checkpoint_signer._proto import checkpoint_pb2, signing_service_pb2
from conftest import Server, checkpoint, members

from amply_checkpoint_signer import Checkpoint, InvalidCheckpoint
from amply_checkpoint_signer._errors import from_call


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint_id", ""),
        ("checkpoint_id", "é"),
        ("ledger_id", "x" * 129),
        ("cumulative_hash", "sha256:AB"),
        ("entry_count", 2**53),
        ("total_volume", -(2**53)),
    ],
)
def test_the_words_are_those_of_the_service(server: Server, field: str, value: object) -> None:
    with pytest.raises(InvalidCheckpoint) as here:
        checkpoint(**{field: value})
    good = checkpoint()
    message = checkpoint_pb2.Checkpoint(
        checkpoint_id=good.checkpoint_id,
        ledger_id=good.ledger_id,
        timestamp=good.timestamp,
        cumulative_hash=good.cumulative_hash,
        entry_count=1,
    )
    setattr(message, field, value)
    with grpc.insecure_channel(server.url.removeprefix("http://")) as channel:
        method = "/amply.checkpoint.v1.SigningService/SignCheckpoint"
        stub = channel.unary_unary(method, lambda request: request.SerializeToString(), lambda answer: answer)
        with pytest.raises(grpc.RpcError) as there:
            stub(signing_service_pb2.SignCheckpointRequest(checkpoint=message), timeout=30)
    told = from_call(there.value)
    assert isinstance(told, InvalidCheckpoint)
    assert told.fields == here.value.fields


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"timestamp": datetime(2025, 1, 1)}, "timestamp", "no time zone"),
        ({"timestamp": datetime(2025, 1, 1, microsecond=1, tzinfo=timezone.utc)}, "timestamp", "1000 nanoseconds"),
        ({"timestamp": "2025-01-01T00:00:00+00:00"}, "timestamp", "YYYY-MM-DDTHH:MM:SSZ"),
        ({"entry_count": True}, "entry_count", "is a boolean"),
        ({"entry_count": 1.5}, "entry_count", "is 1.5; expected an integer"),
        ({"total_volume": "1"}, "total_volume", "is a string"),
        ({"organization_summaries": [{"sum": 2**53}]}, "organization_summaries[0].sum", "2^53-1"),
        ({"organization_summaries": [{"sum": Decimal("1.10")}]}, "organization_summaries[0].sum", "Decimal 1.10"),
        ({"organization_summaries": {}}, "organization_summaries", "an array of objects"),
        ({"more": float("nan")}, "additional_members.more", "is nan"),
        ({"more": {1: 2}}, "additional_members.more", "named by int"),
        ({"more": object()}, "additional_members.more", "is a object"),
        ({"signature": "a..b"}, "signature", "not signed yet"),
        ({"more": "x" * 600_000}, "checkpoint", "at most 524288"),
    ],
)
def test_a_wrong_field_is_named_before_anything_is_sent(changes: dict, field: str, problem: str) -> None:
    with pytest.raises(InvalidCheckpoint) as caught:
        checkpoint(**changes)
    assert [one.field for one in caught.value.fields] == [field]
    assert problem in caught.value.message


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InvalidCheckpoint) as caught:
        checkpoint(timestamp="never", entry_count=-1, ledger_id="")
    assert {one.field for one in caught.value.fields} == {"timestamp", "entry_count", "ledger_id"}
    with pytest.raises(InvalidCheckpoint, match="timestamp: is missing"):
        Checkpoint.from_dict({name: value for name, value in members().items() if name != "timestamp"})


def test_a_checkpoint_does_not_change_with_what_it_was_made_from() -> None:
    summary = {"sum": 1}
    made = checkpoint(organization_summaries=[summary])
    summary["sum"] = 2
    assert made.organization_summaries[0]["sum"] == 1
