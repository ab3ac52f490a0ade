"""`search_traces`: what each condition finds, in which order, page by page, and for whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from annotator.models import Assessment, Experiment, Span, Trace, User
from annotator.services.trace_facts import store_facts
from tests.annotator.programs import V3, Program
from tests.factories import create_experiment, create_feedback, create_judge, create_trace

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
SEARCH = f"{V3}/traces/search"


@pytest.fixture
def experiment(team) -> Experiment:
    return create_experiment(team=team)


@pytest.fixture
def program(lena: User) -> Program:
    return Program(lena)


@pytest.fixture
def world(experiment: Experiment) -> Experiment:
    """Four traces, a to d, the first the oldest."""
    rows: list[dict[str, Any]] = [
        {
            "state": "OK",
            "tags": {"mlflow.traceName": "root", "x": "1", "a.b c": "Müller", "long": "y" * 300},
            "metadata": {"mlflow.trace.session": "s1", "mlflow.sourceRun": "run1"},
            "duration_ms": 10,
            "client_request_id": "req-1",
        },
        {"state": "ERROR", "tags": {"mlflow.traceName": "Root", "x": "2"}, "duration_ms": 20},
        {"state": "OK", "tags": {"x": "10%_*[a]", "y": ""}, "duration_ms": None},
        {"state": "IN_PROGRESS", "tags": {}, "metadata": {"mlflow.modelId": "m"}},
    ]
    for number, fields in enumerate(rows):
        trace = create_trace(
            experiment=experiment,
            trace_id=f"tr-{'abcd'[number]}",
            requested_at=NOON + timedelta(seconds=number),
            **fields,
        )
        store_facts([trace])
    said: list[tuple[str, dict[str, Any]]] = [
        ("a", {"name": "quality", "value": "good", "source_type": "HUMAN", "source_id": "ann"}),
        ("a", {"name": "ok", "value": True, "source_type": "CODE"}),
        ("b", {"name": "quality", "value": "Poor", "source_type": "LLM_JUDGE"}),
        ("b", {"name": "score", "value": 3.0, "source_type": "CODE"}),
        ("c", {"name": "score", "value": 4.5, "source_type": "CODE"}),
        ("c", {"name": "quality", "value": "bad", "source_type": "CODE", "valid": False}),
        ("d", {"name": "score", "value": "4", "source_type": "CODE"}),
        ("a", {"name": "answer", "value": 42, "kind": "EXPECTATION", "source_type": "HUMAN"}),
        ("b", {"name": "answer", "value": "it's", "kind": "EXPECTATION", "source_type": "HUMAN"}),
        ("c", {"name": "quality", "value": "z" * 300, "source_type": "CODE"}),
    ]
    for letter, fields in said:
        value = fields["value"]
        key = {True: "true", 3.0: "3"}.get(value, str(value))[:250]
        Assessment.objects.create(
            trace=Trace.objects.get(trace_id=f"tr-{letter}"),
            value_key=key if fields.get("kind") is None else "",
            **{"source_id": "x", **fields},
        )
    Span.objects.create(
        trace=Trace.objects.get(trace_id="tr-a"),
        span_id="1",
        name="child",
        span_type="LLM",
        status="ERROR",
        start_ns=1,
        inputs={"q": 'Straße "quoted"'},
        attributes={"model": "gpt-4", "deep": {"n": 5}},
    )
    Span.objects.create(
        trace=Trace.objects.get(trace_id="tr-b"), span_id="1", name="Child", start_ns=1
    )
    return experiment


def search(program: Program, experiment: Experiment, **fields: Any) -> dict[str, Any]:
    location = {
        "type": "MLFLOW_EXPERIMENT",
        "mlflow_experiment": {"experiment_id": experiment.wire_id},
    }
    answer: dict[str, Any] = program.ok("POST", SEARCH, {"locations": [location], **fields})
    return answer


def letters(answer: dict[str, Any]) -> str:
    return "".join(trace["trace_id"].removeprefix("tr-") for trace in answer["traces"])


FOUND = [
    ("", "dcba"),
    ("status = 'OK'", "ca"),
    ("status = 'ok'", ""),
    ("status != 'OK'", "db"),
    ("status IN ('OK', 'ERROR')", "cba"),
    ("status NOT IN ('OK')", "db"),
    ("status LIKE '%R%'", "db"),
    ("status LIKE '%r%'", ""),
    ("status ILIKE '%progress'", "d"),
    ("status RLIKE '^(OK|ERR)'", "cba"),
    ("request_id = 'tr-b'", "b"),
    ("client_request_id = 'req-1'", "a"),
    ("name = 'root'", "a"),
    ("name != 'root'", "b"),
    ("name LIKE 'roo_'", "a"),
    ("name ILIKE 'ROO_'", "ba"),
    ("name IS NULL", "dc"),
    ("name IS NOT NULL", "ba"),
    ("run_id = 'run1'", "a"),
    ("run_id = 'run2'", ""),
    ("run_id IS NULL", "dcb"),
    (f"timestamp_ms = {NOON_MS}", "a"),
    (f"timestamp_ms != {NOON_MS}", "dcb"),
    (f"timestamp_ms > {NOON_MS}", "dcb"),
    (f"timestamp_ms >= {NOON_MS}", "dcba"),
    (f"timestamp < {NOON_MS + 1000}", "a"),
    (f"timestamp <= {NOON_MS + 1000}", "ba"),
    (f"timestamp > {NOON_MS + 0.5}", "dcb"),
    (f"timestamp >= {NOON_MS - 0.5}", "dcba"),
    (f"timestamp = {NOON_MS + 0.5}", ""),
    (f"timestamp_ms = '{NOON_MS}'", ""),
    ("timestamp > -1e300", "dcba"),
    ("timestamp < -5", ""),
    ("timestamp < 99999999999999999999999", "dcba"),
    ("timestamp > 1e999", ""),
    ("timestamp != -1", "dcba"),
    ("execution_time_ms > 10", "b"),
    ("execution_time_ms >= 10", "ba"),
    ("execution_time = 10", "a"),
    ("execution_time != 10", "b"),
    ("execution_time < 1e400", "ba"),
    (f"end_time_ms = {NOON_MS + 10}", "a"),
    (f"end_time_ms > {NOON_MS + 10}", "b"),
    ("tags.x = '1'", "a"),
    ("tags.x != '1'", "cb"),
    ("tag.x LIKE '%'", "cba"),
    ("tags.x LIKE '10%_*[a]'", "c"),
    ("tags.x LIKE '_'", "ba"),
    ("tags.x IS NULL", "d"),
    ("tags.y = ''", "c"),
    ("tags.y IS NOT NULL", "c"),
    ("tags.`a b` IS NULL", "dcba"),
    ("tags.`a.b c` = 'Müller'", "a"),
    ("tags.`a.b c` ILIKE 'MÜL%'", "a"),
    ("tags.long = '" + "y" * 300 + "'", "a"),
    ("tags.long = '" + "y" * 299 + "'", ""),
    ("metadata.`mlflow.trace.session` = 's1'", "a"),
    ("request_metadata.mlflow.modelId = 'm'", "d"),
    ("feedback.quality = 'good'", "a"),
    ("feedback.quality = 'bad'", ""),
    ("feedback.quality != 'good'", "cb"),
    ("feedback.quality LIKE 'P%'", "b"),
    ("feedback.quality ILIKE 'p%'", "b"),
    ("feedback.quality = '" + "z" * 300 + "'", "c"),
    ("feedback.quality = '" + "z" * 299 + "'", ""),
    ("feedback.quality IS NULL", "d"),
    ("feedback.quality IS NOT NULL", "cba"),
    ("feedback.ok = 'true'", "a"),
    ("feedback.score = '3'", "b"),
    ("feedback.score = '3.0'", "b"),
    ("feedback.score > 3", "c"),
    ("feedback.score >= 3", "cb"),
    ("feedback.score < 4.5", "b"),
    ("feedback.score > -1e400", "cb"),
    ("expectation.answer = '42'", "a"),
    ("expectation.answer = 'it''s'", "b"),
    ("expectation.answer != '42'", "b"),
    ("expectation.answer > 41", "a"),
    ("expectation.answer LIKE 'it%'", "b"),
    ("expectation.answer IS NULL", "dc"),
    ("span.name = 'child'", "a"),
    ("span.name ILIKE 'child'", "ba"),
    ("span.name IN ('child', 'Child')", "ba"),
    ("span.type = 'LLM'", "a"),
    ("span.status = 'ERROR'", "a"),
    ("span.attributes.model LIKE 'gpt%'", "a"),
    ("span.attributes.model LIKE 'pt%'", ""),
    ("span.attributes.model ILIKE 'GPT-_'", "a"),
    ("span.attributes.model RLIKE '[0-9]'", "a"),
    ("span.attributes.n LIKE '5'", "a"),
    ("span.attributes.mlflow.spanType LIKE 'L%'", "a"),
    ("span.attributes.mlflow.spanInputs LIKE '%Straße%'", "a"),
    ("trace.text LIKE '%Straße \"quoted\"%'", "a"),
    ("span.content ILIKE '%STRA%'", "a"),
    ("status = 'OK' AND tags.x = '1' AND feedback.quality IS NOT NULL", "a"),
    ("tags.x IS NOT NULL AND tags.x != '1' AND execution_time_ms > 5", "b"),
]


def test_each_filter_finds_what_it_says(program, world):
    answers = {text: letters(search(program, world, filter=text)) for text, _ in FOUND}
    assert answers == dict(FOUND)


@pytest.mark.parametrize(
    "text", ["nonsense", "metadata.`mlflow.traceInputs` = 'x'", "name RLIKE '(?P<a>.)(?P=b)'"]
)
def test_a_wrong_filter_is_refused(program, world, text):
    location = {"mlflow_experiment": {"experiment_id": world.wire_id}}
    body = {"locations": [location], "filter": text}
    assert program.refused("POST", SEARCH, body) == (400, "INVALID_PARAMETER_VALUE")


ORDERS = [
    (["timestamp_ms ASC"], "abcd"),
    (["timestamp_ms DESC"], "dcba"),
    (["execution_time_ms DESC"], "badc"),
    (["execution_time ASC", "timestamp ASC"], "cdab"),
    (["end_time DESC"], "badc"),
    (["status ASC"], "bdca"),
    (["name DESC", "request_id ASC"], "abcd"),
    (["request_id DESC"], "dcba"),
    (["run_id DESC"], "adcb"),
    (["experiment_id"], "dcba"),
]


@pytest.mark.parametrize("size", [1, 3])
def test_pages_follow_each_other_in_order_and_the_last_has_no_token(program, world, size):
    for order, found in ORDERS:
        seen, token, pages = "", "", 0
        while not pages or token:
            page = search(program, world, order_by=order, max_results=size, page_token=token)
            seen, pages = seen + letters(page), pages + 1
            token = page.get("next_page_token", "")
        assert (order, seen, pages) == (order, found, -(-4 // size))


def test_traces_of_one_moment_are_told_apart_by_id(program, experiment):
    for letter in "cab":
        create_trace(experiment=experiment, trace_id=f"tr-{letter}", requested_at=NOON)
    first = search(program, experiment, max_results=2)
    assert letters(first) == "ab"
    rest = search(program, experiment, max_results=2, page_token=first["next_page_token"])
    assert letters(rest) == "c"


def test_a_token_is_good_for_its_search_alone(program, world):
    token = search(program, world, max_results=1)["next_page_token"]
    location = [{"mlflow_experiment": {"experiment_id": world.wire_id}}]
    for body in (
        {"locations": location, "page_token": token[:-2]},
        {"locations": location, "page_token": "eyJvZmZzZXQiOiAyfQ=="},
        {"locations": location, "page_token": token, "filter": "status = 'OK'"},
        {"locations": [], "page_token": token},
    ):
        refused = program.refused("POST", SEARCH, {"max_results": 1, **body})
        assert refused == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    "changed",
    [
        {"locations": None},
        {"locations": {}},
        {"locations": [{}]},
        {"locations": ["1"]},
        {"max_results": 501},
        {"max_results": 0},
        {"max_results": "many"},
        {"order_by": ["tags.x"]},
        {"order_by": [5]},
        {"filter": 5},
    ],
)
def test_a_wrong_search_is_refused(program, changed):
    body = {"locations": [], **changed}
    assert program.refused("POST", SEARCH, body) == (400, "INVALID_PARAMETER_VALUE")


def test_no_location_and_unknown_ones_find_nothing(program, world, olga):
    assert program.ok("POST", SEARCH, {"locations": []}) == {"traces": []}
    for wire_id in ("99999", "x", "-1", "9" * 40, "0"):
        location = {"mlflow_experiment": {"experiment_id": wire_id}}
        assert program.ok("POST", SEARCH, {"locations": [location]}) == {"traces": []}
    assert letters(search(Program(olga), world)) == ""


def test_several_experiments_are_searched_at_once(program, world, team):
    other = create_experiment(team=team)
    create_trace(experiment=other, trace_id="tr-e", requested_at=NOON + timedelta(minutes=1))
    locations = [
        {"mlflow_experiment": {"experiment_id": each.wire_id}} for each in (world, other, world)
    ]
    answer = program.ok("POST", SEARCH, {"locations": locations, "max_results": 2})
    assert letters(answer) == "ed"


def test_an_experts_search_does_not_tell_what_a_colleague_answered(program, team, alice, lena):
    experiment = create_experiment(team=team)
    judge = create_judge(experiment=experiment)
    trace = create_trace(experiment=experiment)
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    hers = Program(alice)
    for text in ("feedback.quality = 'poor'", "feedback.quality IS NOT NULL"):
        assert search(hers, experiment, filter=text)["traces"] == []
        assert search(program, experiment, filter=text)["traces"]
    assert "assessments" not in search(hers, experiment)["traces"][0]
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    assert search(hers, experiment, filter="feedback.quality = 'poor'")["traces"]
    assert len(search(hers, experiment)["traces"][0]["assessments"]) == 2


def test_a_page_takes_few_queries_however_long_it_is(program, world, django_assert_max_num_queries):
    search(program, world)
    with django_assert_max_num_queries(8):
        search(program, world, filter="feedback.quality IS NOT NULL AND tags.x = '1'")


@given(
    st.dictionaries(
        st.sampled_from(["locations", "filter", "order_by", "max_results", "page_token"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    )
)
@hypothesis_settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_search_is_answered_with_5xx(program, body):
    assert program.send("POST", SEARCH, body).status_code in (200, 400)
