"""TraceInfo on the wire: what a client sends is kept, what it cannot parse is never sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.ingest.lines import FormatError
from annotator.ingest.trace_info import decode, encode, time_text
from annotator.models import Experiment, Trace
from judges.answers import clean_text

SENT: dict[str, Any] = {
    "trace_id": "tr-c1a6c67b7ab2827aff0f00e80aa7fb0e",
    "client_request_id": "req-1",
    "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}},
    "request_time": "2026-11-23T07:07:09.856Z",
    "execution_duration": "0.083s",
    "state": "OK",
    "request_preview": '{"question": "capital of France?"}',
    "response_preview": '{"answer": "Paris"}',
    "trace_metadata": {"mlflow.trace_schema.version": "3", "mlflow.user": "root"},
    "tags": {"mlflow.traceName": "root", "mytag": "1"},
}


def sent(**changes: object) -> dict[str, object]:
    return SENT | changes


def test_every_part_of_it_is_read():
    info = decode(SENT)
    assert info.trace_id == SENT["trace_id"]
    assert info.experiment_id == "1"
    assert info.requested_at == datetime(2026, 11, 23, 7, 7, 9, 856000, tzinfo=UTC)
    assert (info.duration_ms, info.state, info.client_request_id) == (83, "OK", "req-1")
    assert (info.request_preview, info.response_preview) == (
        SENT["request_preview"],
        SENT["response_preview"],
    )
    assert (info.tags, info.metadata) == (SENT["tags"], SENT["trace_metadata"])


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("0s", 0), ("1.500s", 1500), ("0.000000499s", 0), ("12.0835s", 12084), ("-1s", 0)],
)
def test_a_duration_has_any_number_of_digits(text: str, milliseconds: int):
    assert decode(sent(execution_duration=text)).duration_ms == milliseconds


@pytest.mark.parametrize(
    "text", ["2026-11-23T07:07:09Z", "2026-11-23T07:07:09.000000123Z", "2026-11-23T08:07:09+01:00"]
)
def test_a_time_has_any_number_of_digits_and_any_zone(text: str):
    assert time_text(decode(sent(request_time=text)).requested_at) == "2026-11-23T07:07:09.000Z"


def test_a_state_may_be_a_number_and_a_new_one_loses_no_trace():
    assert decode(sent(state=2)).state == "ERROR"
    assert decode(sent(state="PAUSED")).state == "STATE_UNSPECIFIED"


def test_tags_that_say_where_things_are_belong_to_the_server():
    tags = {"mlflow.artifactLocation": "x", "mlflow.trace.spansLocation": "x", "mine": "1"}
    assert decode(sent(tags=tags)).tags == {"mine": "1"}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("trace_info.trace_id", {"trace_id": None}),
        ("trace_info.trace_id", {"trace_id": 7}),
        ("trace_info.trace_id", {"trace_id": "a/../b"}),
        ("trace_info.trace_id", {"trace_id": "tr-\x00"}),
        ("trace_info.trace_location", {"trace_location": None}),
        ("trace_info.trace_location", {"trace_location": {"mlflow_experiment": []}}),
        ("trace_info.request_time", {"request_time": None}),
        ("trace_info.request_time", {"request_time": "yesterday"}),
        ("trace_info.execution_duration", {"execution_duration": 3}),
        ("trace_info.execution_duration", {"execution_duration": "3"}),
        ("trace_info.tags.n", {"tags": {"n": 1}}),
        ("trace_info.tags", {"tags": [{"key": "a", "value": "b"}]}),
        ("trace_info.tags", {"tags": {str(n): "" for n in range(1001)}}),
        ("trace_info.assessments[0]", {"assessments": ["x"]}),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(field: str, changes: dict[str, object]):
    with pytest.raises(FormatError) as caught:
        decode(sent(**changes))
    assert caught.value.field.removeprefix("trace.").startswith(field)


def a_trace(**fields: object) -> Trace:
    return Trace(
        experiment=Experiment(pk=1, name="shop"),
        trace_id=SENT["trace_id"],
        requested_at=datetime(2026, 11, 23, 7, 7, 9, tzinfo=UTC),
        **fields,
    )


def test_what_is_unknown_is_left_out():
    info = encode(a_trace())
    assert info["request_time"] == "2026-11-23T07:07:09.000Z"
    assert not info.keys() & {
        "execution_duration",
        "client_request_id",
        "request_preview",
        "response_preview",
        "assessments",
    }


def test_a_client_that_only_told_of_the_whole_is_told_to_send_the_spans_as_well():
    def location(**fields: object) -> object:
        return encode(a_trace(**fields))["tags"].get("mlflow.trace.spansLocation")

    assert location(started=True) is None
    assert location(started=True, has_spans=True) == "TRACKING_STORE"
    assert location() == "TRACKING_STORE"  # it came from a file; there will be no others


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_tags_and_metadata_go_out_as_texts_whatever_a_file_brought(entries: dict[str, object]):
    info = encode(a_trace(tags=entries, metadata=entries))
    for key in ("tags", "trace_metadata"):
        assert all(isinstance(value, str) for value in info[key].values())
        assert all(clean_text(value) == value for value in info[key].values())
        json.loads(json.dumps(info, allow_nan=False))
