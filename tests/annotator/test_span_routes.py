"""Spans in and out: `/v1/traces`, StartTrace, reads, `traces.json`, tags and deletion, as clients use them."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from annotator.ingest.limits import Limits
from annotator.ingest.otlp import decode_json
from annotator.ingest.span_json import COLUMNS
from annotator.models import Experiment, Role, Scope, Span, Team, Trace, User
from annotator.services.deliveries import store_spans
from annotator.services.experiments import default_experiment
from tests.factories import (
    create_experiment,
    create_team,
    create_token,
    create_trace,
    create_user,
)
from tests.otlp_payloads import START, as_json, as_protobuf, span, trace_id

pytestmark = pytest.mark.django_db

V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
A = trace_id("a")

ROOT = span(
    1,
    name="answer",
    length_ms=83,
    attributes={
        "mlflow.spanType": "CHAIN",
        "mlflow.spanInputs": {"question": "capital of France?"},
        "mlflow.spanOutputs": "Paris é ✓",
        "session.id": "session-1",
        "user.id": "u1",
        "mlflow.traceTag.stage": "test",
    },
)
CHILD = span(
    2,
    parent=1,
    name="model",
    start_ms=1,
    length_ms=2,
    attributes={"f": 1.5, "i": 5, "whole": 5.0, "b": True, "l": [1, [], {}], "n": None, "o": {}},
    events=[{"timeUnixNano": str(START + 1), "name": "ev", "attributes": []}],
    links=[{"traceId": "ab" * 16, "spanId": "cd" * 8}],
    status={"code": 2, "message": "It broke."},
)


class Sender:
    """A program with a token, as the tests speak for it."""

    def __init__(self, client: Client, token: str, experiment: Experiment) -> None:
        self.client = client
        self.experiment = experiment
        self.headers = {
            "authorization": f"Bearer {token}",
            "x-mlflow-experiment-id": experiment.wire_id,
        }

    def export(self, body: bytes, kind: str = "application/x-protobuf", **headers: str):
        return self.client.post(
            "/v1/traces",
            body,
            content_type=kind,
            headers=self.headers | {key.replace("_", "-"): text for key, text in headers.items()},
        )

    def start(self, name: str = "a", **fields: Any):
        return self.json(
            "POST", f"{V3}/traces", {"trace": {"trace_info": self.info(name, **fields)}}
        )

    def info(self, name: str = "a", **fields: Any) -> dict[str, Any]:
        return {
            "trace_id": trace_id(name),
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": self.experiment.wire_id},
            },
            "request_time": "2026-11-23T07:07:09.856Z",
            "execution_duration": "0.083s",
            "state": "OK",
            **fields,
        }

    def json(self, method: str, path: str, data: dict[str, Any]):
        return self.client.generic(
            method, path, json.dumps(data), content_type="application/json", headers=self.headers
        )

    def get(self, path: str):
        return self.client.get(path, headers=self.headers)

    def trace(self, name: str = "a"):
        answer = self.get(f"{V3}/traces/get?trace_id={trace_id(name)}&allow_partial=False")
        assert answer.status_code == 200, answer.content
        return answer.json()["trace"]

    def put(self, path: str, body: bytes):
        return self.client.put(
            f"{FILES}/{path}", body, content_type="text/plain", headers=self.headers
        )


@pytest.fixture
def sender(client: Client, adam: User, team: Team) -> Sender:
    return Sender(client, create_token(user=adam), create_experiment(team=team))


def decoded(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes as the client reads them."""

    def value(encoded: dict[str, Any]) -> Any:
        for kind, inside in encoded.items():
            if kind == "array_value":
                return [value(item) for item in inside.get("values", [])]
            if kind == "kvlist_value":
                return decoded(inside.get("values", []))
            return inside
        return None

    return {pair["key"]: value(pair.get("value", {})) for pair in pairs}


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
