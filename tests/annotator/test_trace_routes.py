"""Whole traces: StartTrace, their files, tags and deletion, as clients use them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from annotator.ingest.span_json import COLUMNS
from annotator.models import Scope, Span, Team, Trace, User
from tests.annotator.sender import CHILD, FILES, ROOT, V2, V3, A, Sender
from tests.factories import (
    create_experiment,
    create_token,
    create_trace,
)
from tests.otlp_payloads import as_protobuf, trace_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def sender(client: Client, adam: User, team: Team) -> Sender:
    return Sender(client, create_token(user=adam), create_experiment(team=team))


def test_the_answer_to_start_trace_asks_for_the_file_until_spans_are_here(sender: Sender):
    def location() -> Any:
        tags = sender.start().json()["trace"]["trace_info"]["tags"]
        assert tags["mlflow.artifactLocation"].endswith(f"/traces/{A}/artifacts")
        return tags.get("mlflow.trace.spansLocation")

    assert location() is None
    sender.export(as_protobuf(ROOT))
    assert location() == "TRACKING_STORE"


FEEDBACK = {
    "assessment_name": "quality",
    "source": {"source_type": "HUMAN", "source_id": "anna"},
    "feedback": {"value": True},
    "create_time": "2026-11-23T07:07:15.849Z",
    "last_update_time": "2026-11-23T07:07:15.849Z",
}


def test_what_was_said_while_the_trace_ran_comes_with_start_trace(sender: Sender):
    said = sender.start(assessments=[FEEDBACK]).json()["trace"]["trace_info"]["assessments"]
    assert [(each["assessment_name"], each["feedback"]["value"]) for each in said] == [
        ("quality", True)
    ]
    sender.start(assessments=[FEEDBACK | {"assessment_id": said[0]["assessment_id"]}])
    sender.export(as_protobuf(ROOT))
    assert sender.trace()["trace_info"]["assessments"] == said


def test_a_bad_assessment_leaves_nothing_of_start_trace_behind(sender: Sender):
    assert sender.start(assessments=[FEEDBACK | {"source": 5}]).status_code == 400
    overriding = FEEDBACK | {"overrides": "a-" + "0" * 32}
    assert sender.start(assessments=[overriding]).status_code in (400, 404)
    assert Trace.objects.count() == 0


def test_feedback_in_start_trace_needs_the_scope_for_feedback(sender: Sender, adam: User):
    token = create_token(user=adam, scopes=[Scope.WRITE_TRACES])
    sender.headers["authorization"] = f"Bearer {token}"
    assert sender.start(assessments=[FEEDBACK]).status_code == 403
    assert sender.start().status_code == 200


def test_start_trace_in_another_experiment_is_refused(sender: Sender, team: Team):
    sender.start()
    sender.experiment = create_experiment(team=team)
    answer = sender.start()
    assert answer.status_code == 400
    assert "its id is in use" in answer.json()["message"]


def test_start_trace_beats_what_spans_let_us_assume(sender: Sender):
    sender.export(as_protobuf(ROOT))
    sender.start(
        state="ERROR",
        request_preview="free text",
        tags={"mlflow.traceName": "named", "mine": "1"},
        trace_metadata={"mlflow.trace.session": "session-2", "k": "v"},
        client_request_id="req-1",
    )
    sender.export(as_protobuf(ROOT, CHILD))
    info = sender.trace()["trace_info"]
    assert (info["state"], info["request_time"]) == ("ERROR", "2026-11-23T07:07:09.856Z")
    assert info["request_preview"] == "free text"
    assert info["response_preview"] == '"Paris é ✓"'
    assert info["client_request_id"] == "req-1"
    assert info["tags"]["mlflow.traceName"] == "named"
    assert info["tags"]["stage"] == "test"
    assert info["trace_metadata"]["mlflow.trace.session"] == "session-2"
    assert Trace.objects.get().conversation_id == "session-2"


def test_a_second_start_trace_merges_tags_and_metadata_key_by_key(sender: Sender):
    sender.start(tags={"a": "1", "b": "1"}, trace_metadata={"m": "1"}, request_preview="first")
    sender.start(tags={"b": "2"}, trace_metadata={"n": "2"}, execution_duration=None, state="ERROR")
    info = sender.get(f"{V3}/traces/{A}").json()["trace"]["trace_info"]
    assert info["tags"].items() >= {"a": "1", "b": "2"}.items()
    assert info["trace_metadata"].items() >= {"m": "1", "n": "2"}.items()
    assert info["request_preview"] == "first"
    assert info["state"] == "ERROR"
    assert "execution_duration" not in info


def test_the_spans_file_gives_what_the_export_gave(sender: Sender):
    sender.start()
    sender.export(as_protobuf(ROOT, CHILD))
    path = f"{sender.experiment.pk}/traces/{A}/artifacts/traces.json"
    file = sender.get(f"{FILES}/{path}").content
    columns = [name for name in COLUMNS if name != "links"]  # which the file has not
    before = list(Span.objects.order_by("span_id").values(*columns))
    Span.objects.all().delete()
    assert sender.put(path, file).status_code == 200
    assert list(Span.objects.order_by("span_id").values(*columns)) == before


def test_a_file_without_spans_is_taken_for_what_it_is(sender: Sender):
    path = f"{sender.experiment.pk}/traces/{A}/artifacts/traces.json"
    assert sender.put(path, b'{"spans": []}').status_code == 200
    assert Trace.objects.count() == 0


def test_a_file_of_another_trace_is_refused(sender: Sender):
    sender.export(as_protobuf(ROOT))
    folder = f"{sender.experiment.pk}/traces"
    file = sender.get(f"{FILES}/{folder}/{A}/artifacts/traces.json").content
    answer = sender.put(f"{folder}/{trace_id('b')}/artifacts/traces.json", file)
    assert answer.status_code == 400
    assert A in answer.json()["message"]


def test_attachments_are_kept_byte_for_byte_until_their_trace_is_deleted(sender: Sender):
    sender.export(as_protobuf(ROOT))
    path = f"{sender.experiment.pk}/traces/{A}/artifacts/attachments/0f3c-a.png"
    assert sender.put(path, b"\x89PNG\x00\xff").status_code == 200
    answer = sender.get(f"{FILES}/{path}")
    assert answer.content == b"\x89PNG\x00\xff"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    gone = {"experiment_id": sender.experiment.wire_id, "request_ids": [A]}
    assert sender.json("POST", f"{V2}/traces/delete-traces", gone).json() == {"traces_deleted": 1}
    assert sender.get(f"{FILES}/{path}").status_code == 404


@pytest.mark.parametrize(
    "name",
    ["../../x", "..", ".hidden", "a/b", "%2e%2e/x", "a%00b", "", "a\\b", "x" * 300],
)
def test_a_path_out_of_the_folder_leads_nowhere(sender: Sender, name: str):
    path = f"{sender.experiment.pk}/traces/{A}/artifacts/attachments/{name}"
    assert sender.put(path, b"x").status_code == 404
    assert sender.get(f"{FILES}/{path}").status_code == 404


def test_tags_are_set_replaced_and_taken_off_and_spans_do_not_bring_them_back(sender: Sender):
    sender.export(as_protobuf(ROOT))
    path = f"{V2}/traces/{A}/tags"
    for value in ("1", "2"):
        assert sender.json("PATCH", path, {"key": "mine", "value": value}).json() == {}
    assert sender.json("DELETE", path, {"key": "stage"}).json() == {}
    sender.export(as_protobuf(ROOT))
    tags = Trace.objects.get().tags
    assert tags == {"mlflow.traceName": "answer", "mine": "2"}
    assert dict(Trace.objects.get().facts.filter(kind="TAG").values_list("key", "value")) == tags
    answer = sender.json("DELETE", path, {"key": "stage"})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    "key", ["mlflow.user", "mlflow.artifactLocation", "mlflow.trace.spansLocation", "", None]
)
def test_tags_of_the_server_are_not_for_clients(sender: Sender, key: str | None):
    sender.export(as_protobuf(ROOT))
    for method in ("PATCH", "DELETE"):
        answer = sender.json(method, f"{V2}/traces/{A}/tags", {"key": key, "value": "x"})
        assert answer.status_code == 400


def test_old_traces_are_deleted_from_the_oldest_on(sender: Sender):
    for day in (1, 2, 3):
        create_trace(
            experiment=sender.experiment,
            trace_id=f"day-{day}",
            requested_at=datetime(2026, 1, day, tzinfo=UTC),
        )

    def delete(**fields: Any):
        return sender.json(
            "POST",
            f"{V2}/traces/delete-traces",
            {"experiment_id": sender.experiment.wire_id, **fields},
        )

    until = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp() * 1000)
    assert delete().status_code == 400
    assert delete(max_timestamp_millis=until, request_ids=["day-1"]).status_code == 400
    assert delete(max_timestamp_millis=until, max_traces=0).json() == {"traces_deleted": 0}
    assert delete(max_timestamp_millis=until, max_traces=1).json() == {"traces_deleted": 1}
    assert delete(max_timestamp_millis=str(until)).json() == {"traces_deleted": 1}
    assert list(Trace.objects.values_list("trace_id", flat=True)) == ["day-3"]


def test_an_expert_cannot_delete_traces_and_with_them_others_feedback(sender: Sender, alice: User):
    sender.export(as_protobuf(ROOT))
    sender.headers["authorization"] = f"Bearer {create_token(user=alice)}"
    gone = {"experiment_id": sender.experiment.wire_id, "request_ids": [A]}
    assert sender.json("POST", f"{V2}/traces/delete-traces", gone).status_code == 403
    assert Trace.objects.count() == 1
