"""Whatever stands in a file of traces, it is decoded or refused with a sentence."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotator.ingest.jsonl import decode_traces
from annotator.ingest.lines import UnreadableFileError
from annotator.records import Refusal

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
_KEYS = st.sampled_from(
    [
        "trace_id",
        "inputs",
        "outputs",
        "metadata",
        "assessments",
        "spans",
        "tags",
        "state",
        "request_time",
        "duration_ms",
    ]
)


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    st.dictionaries(_KEYS, _JSON, max_size=5),
    st.lists(
        _JSON
        | st.fixed_dictionaries(
            {
                "name": _JSON,
                "value": _JSON,
                "source_type": st.just("HUMAN") | _JSON,
                "source_id": _JSON,
            }
        ),
        max_size=2,
    ),
)
@example({"trace_id": "t", "inputs": 1, "request_time": True}, [])
@example({"trace_id": "t", "inputs": 1, "request_time": 10**400}, [])
def test_any_json_is_decoded_or_refused_with_a_sentence(
    data: dict[str, Any], assessments: list[Any]
):
    text = json.dumps({"assessments": assessments, **data})
    (found,) = decode_traces(BytesIO(text.encode()))
    if isinstance(found, Refusal):
        assert str(found).startswith("line 1")
        assert found.reason.endswith((".", "?"))
    else:
        assert 0 < len(found.trace_id) <= 200
        assert all(each.name.strip() and each.source_id for each in found.assessments)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.binary(min_size=1, max_size=60)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_read_or_refused_but_never_raise_anything_else(content: bytes):
    try:
        found = list(decode_traces(BytesIO(content)))
    except UnreadableFileError:
        return  # a sentence about the whole file
    assert len(found) <= content.count(b"\n") + 1
