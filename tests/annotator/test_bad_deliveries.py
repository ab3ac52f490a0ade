"""Whatever a client sends to a route of traces: an answer in JSON, never 5xx, never a redirect, never HTML."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotator.models import Experiment, Team, User
from tests.factories import create_experiment, create_token
from tests.otlp_payloads import as_json, as_protobuf, request, span, trace_id

pytestmark = pytest.mark.django_db

V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
A = trace_id("a")
GOOD = span(1, attributes={"a": {"b": [1]}}, events=[{"name": "e", "timeUnixNano": "5"}])
BOMB = gzip.compress(b"\0" * 300_000_000, compresslevel=9, mtime=0)

# as many as a machine of two cores has time for
some = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

ODD_TEXTS = st.sampled_from(
    ["", "\0", "\ud800", "NaN", "-1", "1e999", "9" * 400, "tr-", "../..", "é" * 300, "{", '"', "ON"]
)
ODD_NUMBERS = st.sampled_from(
    [
        0,
        -1,
        2**31,
        2**63 - 1,
        2**63,
        2**64,
        -(2**63) - 1,
        10**40,
        1e308,
        float("nan"),
        float("inf"),
        -0.0,
    ]
)
LEAVES = st.none() | st.booleans() | ODD_TEXTS | ODD_NUMBERS | st.text(max_size=20) | st.integers()
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
BYTES = st.binary(max_size=200)
KINDS = st.sampled_from(
    [
        "application/x-protobuf",
        "application/json",
        "text/html",
        "multipart/form-data; boundary=x",
        "%",
        "",
    ]
)
ENCODINGS = st.sampled_from(["", "gzip", "deflate", "br", "gzip, gzip", "\x7f", "identity"])


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def send(client: Client, adam: User, experiment: Experiment):
    """Sends a request and looks at what every answer must be."""
    headers = {
        "authorization": f"Bearer {create_token(user=adam)}",
        "x-mlflow-experiment-id": experiment.wire_id,
    }

    def send(
        method: str, path: str, body: bytes = b"", kind: str = "application/json", **more: str
    ) -> Any:
        answer = client.generic(
            method,
            path,
            body,
            content_type=kind,
            headers=headers | {key.replace("_", "-"): value for key, value in more.items()},
        )
        check(answer)
        return answer

    return send


def check(answer: Any) -> None:
    assert answer.status_code < 500
    assert not 300 <= answer.status_code < 400
    assert "html" not in answer.get("Content-Type", "") or not answer.content
    if answer.status_code >= 400:
        said = json.loads(answer.content)
        assert said["error_code"]
        assert said["message"]
    elif answer["Content-Type"] == "application/json":
        json.loads(answer.content, parse_constant=pytest.fail)


def spoilt(data: Any, spoil: Any, at: int) -> Any:
    """The data with one part, counted from the outside in, replaced."""
    count = -1

    def walk(value: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            return spoil
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return value

    return walk(data)


@some
@given(spoil=JSON, at=st.integers(0, 45))
@example(spoil=10**40, at=12)
@example(spoil={"stringValue": "\ud800\0"}, at=20)
def test_an_export_as_json_with_a_spoilt_part(send, spoil: Any, at: int):
    body = json.dumps(spoilt(request(GOOD, resource={"service.name": "x"}), spoil, at)).encode()
    if send("POST", "/v1/traces", body).status_code == 200:
        send("GET", f"{V3}/traces/get?trace_id={A}&allow_partial=True")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD_TEXTS | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(
    [
        *("mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.spanType", "mlflow.traceTag.x"),
        *("session.id", "user.id", "gen_ai.input.messages", "gen_ai.output.messages"),
        *("gen_ai.system_instructions", "llm.input_messages.0.message.role", "input.value"),
        *("llm.input_messages.0.message.tool_calls.0.tool_call.function.name", "output.value"),
        *("gen_ai.prompt.0.content", "gen_ai.prompt", "gen_ai.completion.1.tool_calls.0.name"),
        *("retrieval.documents.0.document.content", "openinference.span.kind"),
        *("gen_ai.operation.name", "traceloop.span.kind", "gen_ai.usage.input_tokens"),
        *("llm.token_count.total", "pydantic_ai.all_messages", "ai.prompt.messages", ""),
    ]
)


@some
@given(attributes=st.dictionaries(KEYS | st.text(max_size=12), VALUES, max_size=6))
def test_every_attribute_that_is_taken_can_be_read_by_a_strict_parser(
    send, attributes: dict[str, Any]
):
    event = {"name": "gen_ai.choice", "timeUnixNano": "1"}
    whole = span(1, attributes=attributes)
    whole["events"] = [event | {"attributes": whole["attributes"]}]
    answer = send("POST", "/v1/traces", as_json(whole))
    assert answer.status_code == 200
    read = send("GET", f"{V3}/traces/get?trace_id={A}")
    # no halves of surrogate pairs, which UTF-8 cannot hold and protobuf refuses
    json.dumps(read.json(), ensure_ascii=False).encode()
    path = f"/traces/{A}/artifacts/traces.json"
    experiment_id = read.json()["trace"]["trace_info"]["trace_location"]["mlflow_experiment"]
    file = send("GET", f"{FILES}/{experiment_id['experiment_id']}{path}")
    json.dumps(json.loads(file.content), ensure_ascii=False).encode()
    again = send("PUT", f"{FILES}/{experiment_id['experiment_id']}{path}", file.content)
    assert again.status_code == 200


@some
@given(body=BYTES | st.just(as_protobuf(GOOD)), kind=KINDS, encoding=ENCODINGS)
@example(body=BOMB, kind="application/json", encoding="gzip")
@example(body=zlib.compress(b"[" * 5_000_000), kind="application/json", encoding="deflate")
@example(body=b"[" * 200_000, kind="application/json", encoding="")
@example(body=b'{"a":' * 90 + b"1" + b"}" * 90, kind="application/json", encoding="")
@example(body=b"\x0a\x80\x80\x80\x80\x10", kind="application/x-protobuf", encoding="")
@example(body=b"9" * 5000, kind="application/json", encoding="")
def test_an_export_of_anything(send, body: bytes, kind: str, encoding: str):
    send("POST", "/v1/traces", body, kind, content_encoding=encoding)


@some
@given(cut=st.integers(0, 400), flip=st.integers(0, 400), byte=st.integers(0, 255))
def test_an_export_as_protobuf_that_is_damaged(send, cut: int, flip: int, byte: int):
    body = bytearray(as_protobuf(GOOD, span(2, parent=1), resource={"service.name": "x"}))
    if flip < len(body):
        body[flip] = byte
    send("POST", "/v1/traces", bytes(body[: cut or None]), "application/x-protobuf")


def info(experiment: Experiment) -> dict[str, Any]:
    location = {"experiment_id": experiment.wire_id}
    return {
        "trace": {
            "trace_info": {
                "trace_id": A,
                "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": location},
                "request_time": "2026-11-23T07:07:09.856Z",
                "execution_duration": "0.083s",
                "state": "OK",
                "client_request_id": "r",
                "request_preview": "p",
                "trace_metadata": {"mlflow.trace.sizeStats": '{"num_spans": 1}'},
                "tags": {"a": "b"},
                "assessments": [
                    {
                        "assessment_name": "quality",
                        "source": {"source_type": "HUMAN", "source_id": "anna"},
                        "feedback": {"value": True},
                        "create_time": "2026-11-23T07:07:15.849Z",
                        "last_update_time": "2026-11-23T07:07:15.849Z",
                    }
                ],
            }
        }
    }


@some
@given(spoil=JSON, at=st.integers(0, 30))
@example(spoil='{"num_spans": "many"}', at=13)
@example(spoil="[" * 100_000, at=13)
def test_start_trace_with_a_spoilt_part(send, experiment: Experiment, spoil: Any, at: int):
    body = json.dumps(spoilt(info(experiment), spoil, at)).encode()
    if send("POST", f"{V3}/traces", body).status_code == 200:
        send("GET", f"{V3}/traces/{A}")
        send("GET", f"{V3}/traces/get?trace_id={A}")


@some
@given(spoil=JSON, at=st.integers(0, 30))
def test_a_spans_file_with_a_spoilt_part(send, experiment: Experiment, spoil: Any, at: int):
    send("POST", "/v1/traces", as_json(GOOD))
    path = f"{FILES}/{experiment.wire_id}/traces/{A}/artifacts/traces.json"
    file = json.loads(send("GET", path).content)
    if send("PUT", path, json.dumps(spoilt(file, spoil, at)).encode()).status_code == 200:
        send("GET", path)


ADDRESSES = st.text(max_size=30) | ODD_TEXTS | st.just(A)


@some
@given(
    trace=ADDRESSES, name=ADDRESSES, body=BYTES | JSON.map(lambda data: json.dumps(data).encode())
)
def test_every_other_route_with_anything(
    send, experiment: Experiment, trace: str, name: str, body: bytes
):
    send("POST", "/v1/traces", as_json(GOOD))
    trace, name = quote(trace, safe="", errors="replace"), quote(name, safe="/", errors="replace")
    for method, path in (
        ("GET", f"{V3}/traces/{trace}"),
        ("GET", f"{V3}/traces/get?trace_id={trace}&allow_partial={name}"),
        ("GET", f"{V3}/traces/batchGet?trace_ids={trace}&trace_ids={name}"),
        ("POST", f"{V3}/traces/batchGetInfos"),
        ("PATCH", f"{V2}/traces/{trace}/tags"),
        ("DELETE", f"{V2}/traces/{trace}/tags"),
        ("POST", f"{V2}/traces/delete-traces"),
        ("PUT", f"{FILES}/{experiment.pk}/traces/{trace}/artifacts/{name}"),
        ("GET", f"{FILES}/{experiment.pk}/traces/{trace}/artifacts/{name}"),
        ("PUT", f"{FILES}/{name}"),
        ("GET", f"{FILES}/{name}"),
        ("TRACE", f"{V3}/traces/{trace}"),
    ):
        send(method, path, body)


@some
@given(
    data=st.fixed_dictionaries(
        {},
        optional={
            "experiment_id": JSON | st.just("0"),
            "request_ids": JSON | st.lists(ODD_TEXTS),
            "max_timestamp_millis": JSON,
            "max_traces": JSON,
            "key": JSON,
            "value": JSON,
            "trace_ids": JSON,
        },
    )
)
def test_tags_and_deletion_with_odd_fields(send, data: dict[str, Any]):
    send("POST", "/v1/traces", as_json(GOOD))
    body = json.dumps(data).encode()
    for method, path in (
        ("POST", f"{V2}/traces/delete-traces"),
        ("PATCH", f"{V2}/traces/{A}/tags"),
        ("DELETE", f"{V2}/traces/{A}/tags"),
        ("POST", f"{V3}/traces/batchGetInfos"),
    ):
        send(method, path, body)


def test_what_is_beyond_a_limit_is_413_and_names_the_setting(send, settings):
    settings.INGEST_BODY_MB = 1
    for body, encoding, setting in (
        (b" " * 2_000_000, "", "INGEST_BODY_MB"),
        (BOMB, "gzip", "INGEST_BODY_MB"),
        (zlib.compress(b" " * 2_000_000), "deflate", "INGEST_BODY_MB"),
        (b"[" * 100_000, "", "INGEST_DEPTH"),
        (as_json(span(1, attributes={"a": nested(120)})), "", "INGEST_DEPTH"),
    ):
        answer = send("POST", "/v1/traces", body, content_encoding=encoding)
        assert answer.status_code == 413
        assert setting in answer.json()["message"]


def nested(levels: int) -> Any:
    value: Any = "inside"
    for _ in range(levels):
        value = [value]
    return value
