"""Spans in and out, as clients export and read them."""

from __future__ import annotations

import base64
import gzip

import pytest
from django.test import Client

from annotator.ingest.limits import Limits
from annotator.ingest.otlp import decode_json
from annotator.models import Role, Scope, Span, Team, Trace, User
from annotator.services.deliveries import store_spans
from annotator.services.experiments import default_experiment
from tests.annotator.sender import CHILD, FILES, ROOT, V2, V3, A, Sender, decoded
from tests.factories import (
    create_experiment,
    create_team,
    create_token,
    create_trace,
    create_user,
)
from tests.otlp_payloads import START, as_json, as_protobuf, span, trace_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def sender(client: Client, adam: User, team: Team) -> Sender:
    return Sender(client, create_token(user=adam), create_experiment(team=team))


@pytest.mark.parametrize(
    ("encode", "kind", "answer_body"),
    [
        (as_protobuf, "application/x-protobuf", b""),
        (as_json, "application/json", b"{}"),
        (as_json, "application/json; charset=utf-8", b"{}"),
    ],
)
def test_what_is_exported_is_read_back_whole(sender: Sender, encode, kind: str, answer_body: bytes):
    answer = sender.export(encode(CHILD, ROOT, resource={"service.name": "shop"}), kind)
    assert (answer.status_code, answer.content) == (200, answer_body)
    assert answer["Content-Type"] == kind.partition(";")[0]
    trace = sender.trace()
    info = trace["trace_info"]
    assert info["state"] == "OK"
    assert info["execution_duration"] == "0.083s"
    assert info["request_preview"] == '{"question": "capital of France?"}'
    assert info["response_preview"] == '"Paris é ✓"'
    assert info["trace_metadata"]["mlflow.trace.session"] == "session-1"
    assert info["trace_metadata"]["mlflow.trace.user"] == "u1"
    assert info["tags"] | {"mlflow.artifactLocation": ""} == {
        "mlflow.traceName": "answer",
        "mlflow.artifactLocation": "",
        "mlflow.trace.spansLocation": "TRACKING_STORE",
        "service.name": "shop",
        "stage": "test",
    }
    root, child = trace["spans"]
    assert base64.b64decode(root["span_id"]).hex() == ROOT["spanId"]
    assert "parent_span_id" not in root
    assert base64.b64decode(child["parent_span_id"]).hex() == ROOT["spanId"]
    assert f"tr-{base64.b64decode(child['trace_id']).hex()}" == A
    assert child["start_time_unix_nano"] == START + 10**6
    assert child["status"] == {"code": "STATUS_CODE_ERROR", "message": "It broke."}
    assert child["events"] == [{"name": "ev", "time_unix_nano": START + 1, "attributes": []}]
    assert base64.b64decode(child["links"][0]["trace_id"]).hex() == "ab" * 16
    attributes = decoded(child["attributes"])
    sent = {"f": 1.5, "i": 5, "whole": 5.0, "b": True, "l": [1, [], {}], "n": None, "o": {}}
    assert attributes.items() >= sent.items()
    assert [type(attributes[key]) for key in sent] == [type(value) for value in sent.values()]
    outputs = decoded(root["attributes"])
    assert outputs["mlflow.spanInputs"] == {"question": "capital of France?"}
    assert outputs["mlflow.spanOutputs"] == "Paris é ✓"


def test_the_trace_reads_well_in_the_app(sender: Sender, adam: User):
    sender.export(as_protobuf(ROOT, CHILD))
    trace = Trace.objects.get()
    assert trace.inputs == {"question": "capital of France?"}
    assert (trace.request_preview, trace.response_preview) == ("capital of France?", "Paris é ✓")
    assert trace.conversation_id == "session-1"
    assert trace.tags_for_people == {"name": "answer", "stage": "test"}
    assert "capital of France" in trace.search_text
    assert Trace.objects.get(facts__key="stage", facts__value="test") == trace


def test_compressed_exports_are_unpacked(sender: Sender):
    assert (
        sender.export(gzip.compress(as_protobuf(ROOT)), content_encoding="gzip").status_code == 200
    )
    assert Span.objects.count() == 1


def test_json_text_in_an_attribute_is_unwrapped_and_numbers_in_text_stay_text(sender: Sender):
    attributes = {"mlflow.spanInputs": '{"q": "hi"}', "list": "[1]", "text": '"x"', "n": "123"}
    sender.export(as_protobuf(span(1, attributes=attributes)))
    stored = Span.objects.get()
    assert stored.inputs == {"q": "hi"}
    assert stored.attributes == {"list": [1], "text": "x", "n": "123"}


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"x-mlflow-experiment-id": ""}, 400, "x-mlflow-experiment-id is missing"),
        ({"x-mlflow-experiment-id": "99999"}, 404, "No Experiment with id=99999"),
        ({"x-mlflow-experiment-id": "x"}, 404, "No Experiment with id=x"),
    ],
)
def test_an_export_needs_an_experiment(
    sender: Sender, changes: dict[str, str], status: int, says: str
):
    sender.headers |= changes
    answer = sender.export(as_protobuf(ROOT))
    assert answer.status_code == status
    assert says in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"\x0a\x00", "application/x-protobuf", "no spans"),
        (b"\x0a\xff", "application/x-protobuf", "protobuf"),
        (b"{}", "application/json", "no spans"),
        (b"{", "application/json", "no JSON"),
        (b"[]", "application/json", "JSON object"),
        (as_protobuf(ROOT), "text/html", "Content-Type must be"),
        (as_json(span(0)), "application/json", "spanId"),
        (as_json({"name": "x"}), "application/json", "traceId"),
        (as_json(ROOT | {"spanId": "xyz"}), "application/json", "spanId"),
        (as_json(ROOT | {"startTimeUnixNano": "soon"}), "application/json", "startTimeUnixNano"),
        (as_json(ROOT | {"attributes": {"a": 1}}), "application/json", "attributes"),
    ],
)
def test_a_bad_export_is_refused_whole(sender: Sender, body: bytes, kind: str, says: str):
    answer = sender.export(body, kind)
    assert answer.status_code == 400
    assert says in answer.json()["message"]
    assert Trace.objects.count() == 0


def test_too_many_spans_are_refused_with_the_setting_that_says_so(sender: Sender, settings):
    settings.INGEST_SPANS = 1
    for body, kind in (
        (as_protobuf(ROOT, CHILD), "application/x-protobuf"),
        (as_json(ROOT, CHILD), "application/json"),
    ):
        answer = sender.export(body, kind)
        assert answer.status_code == 413
        assert "INGEST_SPANS" in answer.json()["message"]


def test_an_attribute_that_is_too_large_is_cut_and_says_so(sender: Sender, settings):
    settings.INGEST_ATTRIBUTE_KB = 1
    attributes = {
        "mlflow.spanInputs": {"question": "Why?", "context": "long " * 1000},
        "text": "x" * 2000,
        "wide": ["y" * 90] * 1000,
        "kept": "short",
    }
    assert sender.export(as_protobuf(span(1, attributes=attributes))).status_code == 200
    stored = Span.objects.get()
    assert stored.inputs["question"] == "Why?"
    assert stored.inputs["context"].endswith("[cut: it had 5,000 characters]")
    assert stored.attributes["text"].endswith("[cut: it had 2,000 characters]")
    assert len(stored.attributes["wide"]) < 1100
    assert stored.attributes["kept"] == "short"


def test_another_teams_trace_cannot_be_read_written_or_guessed_at(sender: Sender, client: Client):
    lara = create_user(username="lara", team=create_team(name="Sales"), role=Role.LEAD)
    others = create_experiment(team=create_team(name="Sales"))
    other = Sender(client, create_token(user=lara), others)
    assert other.export(as_protobuf(ROOT)).status_code == 200
    for path in (
        f"{V3}/traces/{A}",
        f"{V3}/traces/get?trace_id={A}",
        f"{FILES}/{sender.experiment.pk}/traces/{A}/artifacts/traces.json",
        f"{FILES}/{others.pk}/traces/{A}/artifacts/traces.json",
    ):
        assert sender.get(path).status_code == 404, path
    assert sender.get(f"{V3}/traces/batchGet?trace_ids={A}").json() == {"traces": []}
    assert sender.export(as_protobuf(CHILD, span(1, trace="b"))).status_code == 400
    assert sender.start().status_code == 400
    tag = sender.json("PATCH", f"{V2}/traces/{A}/tags", {"key": "a", "value": "b"})
    assert tag.status_code == 404
    gone = {"experiment_id": sender.experiment.wire_id, "request_ids": [A]}
    assert sender.json("POST", f"{V2}/traces/delete-traces", gone).json() == {"traces_deleted": 0}
    assert list(Trace.objects.values_list("trace_id", flat=True)) == [A]
    assert Span.objects.count() == 1


def test_programs_of_one_team_may_share_a_trace_between_experiments(sender: Sender, team: Team):
    sender.export(as_protobuf(ROOT))
    sender.headers["x-mlflow-experiment-id"] = create_experiment(team=team).wire_id
    assert sender.export(as_protobuf(CHILD)).status_code == 200
    assert Trace.objects.get().experiment == sender.experiment
    assert Span.objects.count() == 2


def test_the_default_experiment_takes_what_names_none(sender: Sender, team: Team):
    sender.headers["x-mlflow-experiment-id"] = "0"
    sender.export(as_protobuf(ROOT))
    assert Trace.objects.get().experiment == default_experiment(team=team)
    info = sender.trace()["trace_info"]
    assert info["trace_location"]["mlflow_experiment"] == {"experiment_id": "0"}


def test_a_token_that_may_only_read_stores_nothing(sender: Sender, adam: User):
    sender.headers["authorization"] = f"Bearer {create_token(user=adam, scopes=[Scope.READ])}"
    assert sender.export(as_protobuf(ROOT)).status_code == 403
    assert sender.start().status_code == 403
    assert Trace.objects.count() == 0


def test_an_incomplete_trace_is_read_only_by_who_takes_a_part(sender: Sender):
    sender.start(trace_metadata={"mlflow.trace.sizeStats": '{"num_spans": 2}'})
    sender.export(as_protobuf(ROOT))
    path = f"{V3}/traces/get?trace_id={A}&allow_partial="
    answer = sender.get(f"{path}False")
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert "not fully exported yet" in answer.json()["message"]
    assert len(sender.get(f"{path}True").json()["trace"]["spans"]) == 1
    assert sender.get(f"{V3}/traces/batchGet?trace_ids={A}").json() == {"traces": []}
    sender.export(as_protobuf(CHILD))
    assert len(sender.get(f"{path}False").json()["trace"]["spans"]) == 2


def test_batches_come_in_the_order_asked_for(sender: Sender):
    sender.export(as_protobuf(*(span(1, trace=name) for name in "abc")))
    asked = [trace_id(name) for name in ("c", "a", "unknown", "b")]
    query = "&".join(f"trace_ids={each}" for each in asked)
    traces = sender.get(f"{V3}/traces/batchGet?{query}").json()["traces"]
    expected = [trace_id(name) for name in "cab"]
    assert [trace["trace_info"]["trace_id"] for trace in traces] == expected
    assert all(len(trace["spans"]) == 1 for trace in traces)
    infos = sender.json("POST", f"{V3}/traces/batchGetInfos", {"trace_ids": asked}).json()
    assert [info["trace_id"] for info in infos["trace_infos"]] == expected


def test_a_trace_from_a_file_has_one_step_for_programs(sender: Sender):
    create_trace(
        experiment=sender.experiment, trace_id="from a file", question="Why?", answer="So."
    )
    trace = sender.get(f"{V3}/traces/get?trace_id=from+a+file").json()["trace"]
    (root,) = trace["spans"]
    assert len(base64.b64decode(root["trace_id"])) == 16
    attributes = decoded(root["attributes"])
    assert attributes["mlflow.traceRequestId"] == "from a file"
    assert attributes["mlflow.spanInputs"] == Trace.objects.get().inputs
    assert attributes["mlflow.spanOutputs"] == Trace.objects.get().outputs


def test_storing_a_trace_takes_a_fixed_number_of_queries_however_many_spans_it_has(
    sender: Sender, django_assert_max_num_queries
):
    sender.export(as_protobuf(span(1, trace="warm")))
    spans = [span(number, parent=number - 1 or None) for number in range(1, 200)]
    body = as_protobuf(*spans)
    # a savepoint and its release, the known traces, the trace, its tags, its spans
    with django_assert_max_num_queries(6):
        sender.export(body)
    assert Span.objects.count() == 200


def test_spans_beyond_the_years_that_databases_know_are_stored(team: Team):
    late = span(1) | {"startTimeUnixNano": str(2**64), "endTimeUnixNano": "-5"}
    store_spans(experiment=create_experiment(team=team), spans=decode_json(as_json(late), Limits()))
    stored = Span.objects.get()
    assert (stored.start_ns, stored.end_ns) == (2**63 - 1, None)
