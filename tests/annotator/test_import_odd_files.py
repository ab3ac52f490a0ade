"""`import_traces` on files that are wrong or odd: each refusal names the place and the remedy, the rest is kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from annotator.models import (
    Trace,
)
from tests.annotator.import_files import line, run, said, span, write

__all__ = ["run", "write"]  # fixtures

WRONG_LINES = [
    pytest.param("{", "line 1: Not valid JSON", id="broken JSON"),
    pytest.param(
        '[{"trace_id": "t"}]',
        "line 1: The line is a list; write one JSON object per line.",
        id="a list",
    ),
    pytest.param("null", "line 1: The line is a bare value", id="null"),
    pytest.param('{"trace_id": 1' + "0" * 5000 + "}", "thousands of digits", id="endless number"),
    pytest.param('{"a":' * 3000 + "1" + "}" * 3000, "nested deeper than 100 levels", id="deep"),
    pytest.param({"inputs": {}}, "line 1, trace_id: It is missing", id="no trace id"),
    pytest.param(line(7), "line 1, trace_id: It must be a text, not a number.", id="number as id"),
    pytest.param(line("  "), "line 1, trace_id: It is empty", id="empty id"),
    pytest.param(
        line(" t"), "line 1, trace_id: “ t” begins or ends with a blank", id="blank in id"
    ),
    pytest.param(
        line("t" * 201), "line 1, trace_id: It has 201 characters; 200 are allowed.", id="long id"
    ),
    pytest.param(
        line("a\x00b"),
        "line 1, trace_id: It holds a line break or another invisible",
        id="NUL in id",
    ),
    pytest.param(line("a/../b"), "line 1, trace_id: A browser drops “.” and “..”", id="dots as id"),
    pytest.param(
        {"trace_id": "t"},
        "line 1, inputs: There are neither inputs nor outputs",
        id="nothing in it",
    ),
    pytest.param(
        line(assesments=[]),
        "line 1, assesments: This key is unknown; did you mean “assessments”?",
        id="typo",
    ),
    pytest.param(
        line(zzz=1),
        "line 1, zzz: This key is unknown; put extra data into “metadata”.",
        id="unknown key",
    ),
    pytest.param(line(state="FINE"), "line 1, state: “FINE” is none of OK, ERROR", id="state"),
    pytest.param(
        line(metadata=[]), "line 1, metadata: It must be a JSON object, not a list.", id="metadata"
    ),
    pytest.param(
        line(tags={"a": 1}), "line 1, tags.a: A tag must be a text, not a number.", id="tag"
    ),
    pytest.param(
        line(duration_ms=-1), "line 1, duration_ms: It must be a number from 0", id="negative"
    ),
    pytest.param(
        line(duration_ms=math.nan), "line 1, duration_ms: It must be a number from 0", id="NaN"
    ),
    pytest.param(
        line(request_time="soon"),
        "line 1, request_time: “soon” is not a time; write it like",
        id="time",
    ),
    pytest.param(
        line(request_time=1e300), "line 1, request_time: “1e+300” is not a time", id="huge time"
    ),
    pytest.param(
        line(request_time="0001-01-01T00:00:00+23:00"), "line 1, request_time", id="first year"
    ),
    pytest.param(
        line(request_time=["x"]),
        "line 1, request_time: It must be a time, not a list",
        id="no time",
    ),
    pytest.param(
        line(assessments={}), "line 1, assessments: It must be a list, not an object.", id="no list"
    ),
    pytest.param(
        line(assessments=["good"]),
        "line 1, assessments[0]: It must be an object, not a text.",
        id="text",
    ),
    pytest.param(
        line(assessments=[said(None)]), "assessments[0].value: There is no value", id="no value"
    ),
    pytest.param(
        line(assessments=[said(math.nan)]), "NaN and infinity are no values", id="NaN value"
    ),
    pytest.param(
        line(assessments=[said(10**16)]),
        "The number is beyond ±1,000,000,000,000,000",
        id="huge number",
    ),
    pytest.param(
        line(assessments=[said({})]),
        "It must be true, false, a number or a text",
        id="object value",
    ),
    pytest.param(
        line(assessments=[said("x" * 10_001)]),
        "The text has 10,001 characters; 10,000",
        id="long value",
    ),
    pytest.param(
        line(assessments=[said("a\ud800")]), "It holds a NUL or half a character", id="surrogate"
    ),
    pytest.param(
        line(assessments=[said(rationale="x" * 100_001)]),
        "assessments[0].rationale: It has 100,001 characters; 100,000 are allowed.",
        id="long rationale",
    ),
    pytest.param(
        line(assessments=[said(source_type="human")]),
        "assessments[0].source_type: “human” is unknown; use one of HUMAN, LLM_JUDGE, CODE.",
        id="source type",
    ),
    pytest.param(
        line(assessments=[{"name": "q"}]),
        "assessments[0].source_type: It is missing",
        id="keys missing",
    ),
    pytest.param(
        line(assessments=[said(), said("bad")]),
        "“anna” assesses “quality” a second time",
        id="twice",
    ),
    pytest.param(
        line(assessments=[said(type="opinion")]),
        "It must be “feedback” or “expectation”.",
        id="type",
    ),
    pytest.param(
        line(spans=[span(end_ns=1)]), "spans[0].end_ns: The span ends before it starts.", id="span"
    ),
    pytest.param(
        line(spans=[span(start_ns=2**63)]),
        "spans[0].start_ns: It must be a number from 0",
        id="late span",
    ),
    pytest.param(
        line(spans=[span(), span()]), "spans[1].span_id: Another span of this trace", id="same span"
    ),
    pytest.param(
        b'{"trace_id": "\xff"}\n',
        "line 1: Byte 15 is not UTF-8; save the file as UTF-8.",
        id="Latin 1",
    ),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("wrong", "sentence"), WRONG_LINES)
def test_a_wrong_line_is_refused_with_its_place_and_remedy_and_the_others_are_kept(
    wrong, sentence, write, run
):
    path = write(wrong, line("kept"))
    _, err, failure = run(path)
    assert sentence in err
    assert failure == "1 line refused; all others are kept."
    assert list(Trace.objects.values_list("trace_id", flat=True)) == ["kept"]


@pytest.mark.django_db
def test_bom_crlf_blank_lines_and_a_missing_last_line_end_do_no_harm(write, run):
    first, second = json.dumps(line("a")).encode(), json.dumps(line("b")).encode()
    out, _, failure = run(write(b"\xef\xbb\xbf" + first + b"\r\n\r\n  \n" + second))
    assert failure == ""
    assert "2 new traces" in out


@pytest.mark.django_db
def test_odd_characters_and_numbers_in_what_a_trace_carries_survive(write, run):
    inputs = {"text": "NUL \x00 and half \ud83d", "number": math.inf, "deep": [[[1]]]}
    path = write(line(inputs=inputs, assessments=[said(rationale="a\x00b\udc00")]))
    assert run(path)[2] == ""
    trace = Trace.objects.get()
    assert trace.inputs == inputs
    assert "\x00" not in trace.search_text + trace.request_preview
    assert trace.assessments.get().rationale.startswith("ab")
    assert "0 updated, 1 unchanged" in run(path)[0]


@pytest.mark.django_db
def test_a_trace_id_that_stands_twice_in_the_file_or_in_another_experiment_is_refused(write, run):
    _, err, _ = run(write(line("a"), line("a", tags={"x": "y"})))
    assert "line 2, trace_id: The same trace is on line 1 already" in err
    _, err, _ = run(write(line("b"), line("a")), experiment="other")
    assert "line 2, trace_id: The trace “a” is in another experiment already" in err
    assert Trace.objects.get(trace_id="b").experiment.name == "other"
    assert Trace.objects.get(trace_id="a").experiment.name == "shop"


@pytest.mark.django_db
def test_one_name_has_one_kind_of_value(write, run):
    _, err, _ = run(write(line(assessments=[said(True)]), line("t-2", assessments=[said("yes")])))
    assert (
        "line 2, assessments[0].value: It is a text, but “quality” has true or false on line 1"
        in err
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\x1f\x8b\x08\x00", "The file is compressed (gzip); unpack it first."),
        (b"PK\x03\x04", "The file is compressed (zip); unpack it first."),
        ("{}".encode("utf-16"), "The file is in UTF-16; save it as UTF-8."),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_sentence(content: bytes, sentence: str, write, run):
    path = write(content)
    assert run(path)[2] == f"{path}: {sentence}"


@pytest.mark.django_db
def test_no_file_and_a_directory_get_one_sentence(tmp_path: Path, run):
    assert run(str(tmp_path / "none"))[2].startswith("There is no file")
    assert run(str(tmp_path))[2] == f"“{tmp_path}” is a directory; name a file in it."
