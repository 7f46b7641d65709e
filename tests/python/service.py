"""Checks of the API as Python speaks it. One check a run, against a service with an empty record.

    python service.py CHECK HOST:PORT
"""

import json
import queue
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc.code_pb2 import ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from amply.checkpoint.v1 import checkpoint_pb2 as messages
from amply.checkpoint.v1 import key_service_pb2 as key
from amply.checkpoint.v1 import key_service_pb2_grpc as key_grpc
from amply.checkpoint.v1 import record_service_pb2 as record
from amply.checkpoint.v1 import record_service_pb2_grpc as record_grpc
from amply.checkpoint.v1 import signing_service_pb2 as signing
from amply.checkpoint.v1 import signing_service_pb2_grpc as signing_grpc
from amply.checkpoint.v1 import verification_service_pb2 as verification
from amply.checkpoint.v1 import verification_service_pb2_grpc as verification_grpc

SERVICES = ["SigningService", "VerificationService", "KeyService", "RecordService"]
DEADLINE = 60  # Seconds after which a call that hangs fails; nothing here waits for it.


def checkpoint(number: int, **changes) -> messages.Checkpoint:
    """The state of a ledger after `number` entries."""
    members = {
        "checkpoint_id": f"chk_{number}",
        "ledger_id": "org_interop",
        "timestamp": "2025-01-15T23:59:59Z",
        "cumulative_hash": f"sha256:{number:064x}",
        "entry_count": number,
        "total_volume": 100 * number,
        **changes,
    }
    return json_format.ParseDict(members, messages.Checkpoint())


def sign(channel, wanted: messages.Checkpoint) -> messages.SignedCheckpoint:
    stub = signing_grpc.SigningServiceStub(channel)
    request = signing.SignCheckpointRequest(checkpoint=wanted)
    return stub.SignCheckpoint(request, timeout=DEADLINE).signed_checkpoint


def refusal(call):
    """The google.rpc.Status that a call ends with."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return rpc_status.from_call(error)
    raise AssertionError(f"expected a refusal, found {answer}")


def detail(status, kind):
    """The one detail of this kind."""
    found = [any_ for any_ in status.details if any_.Is(kind.DESCRIPTOR)]
    assert len(found) == 1, f"expected one {kind.DESCRIPTOR.name}, found {status}"
    message = kind()
    found[0].Unpack(message)
    return message


def expect(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"


def expect_refusal(status, code, reason):
    info = detail(status, ErrorInfo)
    expect((status.code, info.reason, info.domain), (code, reason, "checkpoint-signer"))
    assert status.message, "a refusal has a sentence"


def bad_fields_are_named(channel):
    wrong = checkpoint(1, checkpoint_id="no spaces", cumulative_hash="sha256:AB", total_volume=2**53)
    wrong.timestamp.nanos = 5
    wrong.additional_members.update({"entry_count": 7})
    status = refusal(lambda: sign(channel, wrong))
    expect_refusal(status, INVALID_ARGUMENT, "INVALID_CHECKPOINT")
    violations = detail(status, BadRequest).field_violations
    named = {violation.field for violation in violations}
    assert {"checkpoint_id", "cumulative_hash", "total_volume", "timestamp"} <= named, named
    assert all(violation.description for violation in violations)
    # Names that the fields have already are seen once the fields themselves are right.
    wrong = checkpoint(1)
    wrong.additional_members.update({"entry_count": 7})
    status = refusal(lambda: sign(channel, wrong))
    expect_refusal(status, INVALID_ARGUMENT, "INVALID_CHECKPOINT")
    assert len(detail(status, BadRequest).field_violations) == 1, status
    # Nothing was signed, so the place is free.
    sign(channel, checkpoint(1))


def an_older_state_is_a_rollback(channel):
    sign(channel, checkpoint(10))
    status = refusal(lambda: sign(channel, checkpoint(9)))
    expect_refusal(status, FAILED_PRECONDITION, "ROLLBACK")
    sign(channel, checkpoint(9, ledger_id="org_other"))


def a_stream_to_sign_keeps_its_order_and_outlives_refusals(channel):
    items = [(f"good-{number}", checkpoint(number)) for number in range(1, 51)]
    items.insert(10, ("malformed", checkpoint(11, cumulative_hash="none")))
    items.insert(30, ("second-history", checkpoint(5, total_volume=7)))
    items.insert(40, ("older", checkpoint(6, checkpoint_id="chk_late")))
    items.append(("", checkpoint(50)))  # A retry, and no request_id.
    requests = (signing.SignCheckpointsRequest(request_id=n, checkpoint=c) for n, c in items)
    stub = signing_grpc.SigningServiceStub(channel)
    answers = list(stub.SignCheckpoints(requests, timeout=DEADLINE))
    expect([answer.request_id for answer in answers], [name for name, _ in items])
    refused = {a.request_id: a.refusal for a in answers if a.WhichOneof("outcome") == "refusal"}
    expect(list(refused), ["malformed", "second-history", "older"])
    expect_refusal(refused["malformed"], INVALID_ARGUMENT, "INVALID_CHECKPOINT")
    violations = detail(refused["malformed"], BadRequest).field_violations
    expect([violation.field for violation in violations], ["cumulative_hash"])
    expect_refusal(refused["second-history"], ALREADY_EXISTS, "EQUIVOCATION")
    expect_refusal(refused["older"], FAILED_PRECONDITION, "ROLLBACK")
    for answer, (name, wanted) in zip(answers, items):
        if name not in refused:
            expect(answer.signed_checkpoint.checkpoint, wanted)
    expect(answers[-1].signed_checkpoint, answers[-2].signed_checkpoint)


def a_stream_to_sign_answers_before_the_next_item(channel):
    requests = queue.SimpleQueue()
    answers = signing_grpc.SigningServiceStub(channel).SignCheckpoints(
        iter(requests.get, None), timeout=DEADLINE
    )
    for number in range(1, 6):
        requests.put(signing.SignCheckpointsRequest(request_id=str(number), checkpoint=checkpoint(number)))
        expect(next(answers).request_id, str(number))
    requests.put(None)
    expect(list(answers), [])


def a_stream_to_verify_keeps_its_order(channel):
    signed = sign(channel, checkpoint(1))
    tampered = signed.published_json.replace('"total_volume":100', '"total_volume":101')
    assert tampered != signed.published_json
    other = messages.SignedCheckpoint(checkpoint=checkpoint(2), signature=signed.signature)
    kinds = [
        ({"published_json": signed.published_json}, verification.VERDICT_KIND_VALID),
        ({"published_json": tampered}, verification.VERDICT_KIND_INVALID_SIGNATURE),
        ({"published_json": "{"}, verification.VERDICT_KIND_MALFORMED),
        ({"signed_checkpoint": signed}, verification.VERDICT_KIND_VALID),
        ({"signed_checkpoint": other}, verification.VERDICT_KIND_INVALID_SIGNATURE),
    ] * 20
    requests = (
        verification.VerifyCheckpointsRequest(request_id=f"item-{index}", **subject)
        for index, (subject, _) in enumerate(kinds)
    )
    stub = verification_grpc.VerificationServiceStub(channel)
    answers = list(stub.VerifyCheckpoints(requests, timeout=DEADLINE))
    expect([answer.request_id for answer in answers], [f"item-{index}" for index in range(len(kinds))])
    expect([answer.verdict.kind for answer in answers], [kind for _, kind in kinds])
    for answer in answers:
        valid = answer.verdict.kind == verification.VERDICT_KIND_VALID
        expect((answer.verdict.HasField("recorded"), answer.verdict.recorded), (valid, valid))
        assert answer.verdict.explanation


def health_is_told_for_each_service(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ["", *(f"amply.checkpoint.v1.{name}" for name in SERVICES)]:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE)
        expect((service, answer.status), (service, health_pb2.HealthCheckResponse.SERVING))
    try:
        stub.Check(health_pb2.HealthCheckRequest(service="amply.checkpoint.v1.Other"), timeout=DEADLINE)
    except grpc.RpcError as error:
        expect(error.code(), grpc.StatusCode.NOT_FOUND)
    else:
        raise AssertionError("a service that is not there has a health")


def reflection_lists_every_service(channel):
    wanted = {f"amply.checkpoint.v1.{name}" for name in SERVICES} | {"grpc.health.v1.Health"}
    # Python's package speaks v1alpha, as older tools do.
    database = ProtoReflectionDescriptorDatabase(channel)
    listed = set(database.get_services())
    assert wanted <= listed, listed
    service = DescriptorPool(database).FindServiceByName("amply.checkpoint.v1.SigningService")
    expect([method.name for method in service.methods], ["SignCheckpoint", "SignCheckpoints"])
    # Version 1 has the same messages under another name.
    call = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    answer = next(call(iter([request]), timeout=DEADLINE))
    listed = {service.name for service in answer.list_services_response.service}
    assert wanted <= listed, listed


def a_watch_begins_with_a_snapshot(channel):
    stub = key_grpc.KeyServiceStub(channel)
    snapshots = stub.WatchKeys(key.WatchKeysRequest(), timeout=DEADLINE)
    first = next(snapshots)
    listed = stub.ListKeys(key.ListKeysRequest(), timeout=DEADLINE)
    expect(list(first.keys), list(listed.keys))
    expect([(k.key_id, k.state, k.signing) for k in first.keys], [("interop-key", key.KEY_STATE_ACTIVE, True)])
    expect(json.loads(first.keys[0].jwk)["kid"], "interop-key")
    stub.RevokeKey(key.RevokeKeyRequest(key_id="interop-key", reason="a test"), timeout=DEADLINE)
    states = ((k.state, k.signing, k.revocation.reason) for s in snapshots for k in s.keys)
    revoked = (key.KEY_STATE_REVOKED, False, "a test")
    assert revoked in states  # Reads on until it comes, or the deadline ends it.
    snapshots.cancel()
    status = refusal(lambda: sign(channel, checkpoint(1)))
    expect_refusal(status, FAILED_PRECONDITION, "KEY_REVOKED")


def the_record_is_read_page_by_page(channel):
    signed = [sign(channel, checkpoint(number)) for number in range(1, 8)]
    sign(channel, checkpoint(1, ledger_id="org_other"))
    stub = record_grpc.RecordServiceStub(channel)
    request = record.ListSignedCheckpointsRequest(page_size=3, ledger_id="org_interop")
    pages = []
    while not pages or request.page_token:
        page = stub.ListSignedCheckpoints(request, timeout=DEADLINE)
        pages.append(list(page.signed_checkpoints))
        request.page_token = page.next_page_token
    expect([len(page) for page in pages], [3, 3, 1])
    expect([item for page in pages for item in page], signed)
    # A token goes with its filters.
    page = stub.ListSignedCheckpoints(record.ListSignedCheckpointsRequest(page_size=1), timeout=DEADLINE)
    request.page_token = page.next_page_token
    status = refusal(lambda: stub.ListSignedCheckpoints(request, timeout=DEADLINE))
    expect_refusal(status, INVALID_ARGUMENT, "INVALID_REQUEST")
    expect([v.field for v in detail(status, BadRequest).field_violations], ["page_token"])
    one = record.GetSignedCheckpointRequest(ledger_id="org_interop", checkpoint_id="chk_3")
    expect(stub.GetSignedCheckpoint(one, timeout=DEADLINE).signed_checkpoint, signed[2])


if __name__ == "__main__":
    check, server = sys.argv[1:]
    with grpc.insecure_channel(server) as to_server:
        globals()[check](to_server)
