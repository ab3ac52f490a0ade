"""Traces arrive in parts: in every order, twice, at once and over a server that dies, the result is the same."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from annotator.demo.world import demo_world
from annotator.ingest.limits import Limits
from annotator.ingest.otlp import decode_protobuf
from annotator.ingest.span_json import COLUMNS, decode_file, encode_file
from annotator.models import Experiment, Role, Span, Team, Trace, TraceFact
from annotator.records import SpanRecord, TraceInfoRecord
from annotator.services.deliveries import start_trace, store_spans
from annotator.services.group_commit import GroupCommit
from tests.factories import create_experiment, create_team, create_token, create_user
from tests.otlp_payloads import as_protobuf, span, trace_id
from tests.processes import WebProcess, eventually

ORDERS = 20
THREADS = 8
TRACE_COLUMNS = [
    *("trace_id", "state", "requested_at", "duration_ms", "inputs", "outputs", "request_preview"),
    *("response_preview", "tags", "metadata", "conversation_id", "client_request_id", "started"),
    *("has_spans", "sent_request_preview", "sent_response_preview", "search_text", "guessed"),
]


def demo_spans(count: int) -> list[dict[str, Any]]:
    """The steps of the demo's traces as an exporter sends them."""
    spans = []
    for number, demo in enumerate(demo_world().traces[:count]):
        ids = {"": None} | {each.span_id: n for n, each in enumerate(demo.trace.spans, 1)}
        spans += [
            span(
                ids[each.span_id] or 0,
                trace=f"demo-{number}",
                parent=ids[each.parent_id],
                name=each.name,
                start_ms=number * 1000 + each.start_ns // 10**6,
                length_ms=((each.end_ns or 0) - each.start_ns) // 10**6,
                attributes={
                    "mlflow.spanType": each.span_type,
                    "mlflow.spanInputs": each.inputs,
                    "mlflow.spanOutputs": each.outputs,
                    **each.attributes,
                },
            )
            for each in demo.trace.spans
        ]
    return spans


ODD = [
    # two roots, of which the earlier one counts
    span(
        1,
        trace="roots",
        name="late",
        start_ms=5,
        attributes={"input.value": "late", "user.id": "b"},
    ),
    span(
        2, trace="roots", name="early", start_ms=1, attributes={"input.value": "x", "user.id": "a"}
    ),
    span(3, trace="roots", parent=1, start_ms=0, status={"code": 2}),
    # a root that says nothing: its agent speaks for it, and before that a model
    span(1, trace="silent", name="POST /chat", attributes={"http.route": "/chat"}, length_ms=90),
    span(
        2,
        trace="silent",
        parent=1,
        start_ms=1,
        attributes={
            "openinference.span.kind": "AGENT",
            "input.value": "Where?",
            "output.value": "There.",
        },
    ),
    span(
        3,
        trace="silent",
        parent=2,
        start_ms=2,
        attributes={"gen_ai.prompt": "p", "gen_ai.completion": "c"},
    ),
    span(
        4,
        trace="silent",
        parent=2,
        start_ms=4,
        attributes={"gen_ai.prompt": "q", "gen_ai.completion": "d"},
    ),
    # a root whose parent is in another program that never sends it
    span(
        5, trace="remote", parent=9, flags=0x301, name="served", attributes={"input.value": "hello"}
    ),
    span(6, trace="remote", parent=5, start_ms=2, attributes={"session.id": "late-session"}),
    # and one that is still running
    span(1, trace="running", parent=7, name="step", attributes={"output.value": [1, 2]}),
]


def records() -> list[SpanRecord]:
    return decode_protobuf(
        as_protobuf(*demo_spans(12), *ODD, resource={"service.name": "shop"}), Limits()
    )


def infos(experiment: Experiment, ids: list[str]) -> list[TraceInfoRecord]:
    """What a client says of some of the traces, once they have ended."""
    return [
        TraceInfoRecord(
            trace_id=each,
            experiment_id=experiment.wire_id,
            state=("OK", "ERROR")[number % 2],
            requested_at=datetime(2026, 11, 23, 7, number, tzinfo=UTC),
            duration_ms=number,
            client_request_id=f"req-{number}",
            request_preview="free text" if number % 3 else None,
            response_preview='{"a": "json"}' if number % 2 else None,
            tags={"mlflow.traceName": f"named {number}", "mine": "1"} if number % 4 else {},
            metadata={"mlflow.trace.session": f"s{number}", "k": "v"} if number % 5 else {},
        )
        for number, each in enumerate(ids)
    ]


def deliveries(experiment: Experiment, seed: int) -> list[Any]:
    """Everything in requests of random size and order; some of it twice."""
    chance = random.Random(seed)
    spans = records()
    ids = sorted({each.trace_id for each in spans})
    parts: list[Any] = infos(experiment, ids[::2])
    waiting = spans + chance.sample(spans, len(spans) // 3)
    chance.shuffle(waiting)
    while waiting:
        size = chance.choice([1, 2, 5, 40])
        parts.append(waiting[:size])
        waiting = waiting[size:]
    parts += chance.sample(parts, 3)
    chance.shuffle(parts)
    return parts


def deliver(experiment: Experiment, part: Any) -> None:
    if isinstance(part, TraceInfoRecord):
        start_trace(experiment=experiment, info=part)
    else:
        store_spans(experiment=experiment, spans=part)


def stored() -> dict[str, Any]:
    """All that is known of all traces, but for keys that depend on the order."""
    traces = {row["trace_id"]: row for row in Trace.objects.values(*TRACE_COLUMNS)}
    for row in traces.values():
        row["guessed"] = {key: row["guessed"][key] for key in sorted(row["guessed"])}
    return {
        "traces": traces,
        "spans": sorted(
            Span.objects.values("trace__trace_id", *COLUMNS),
            key=lambda row: (row["trace__trace_id"], row["span_id"]),
        ),
        "facts": set(TraceFact.objects.values_list("trace__trace_id", "kind", "key", "value")),
    }


def expected(experiment: Experiment) -> dict[str, Any]:
    """The result when everything comes once, in order, the spans first."""
    spans = records()
    store_spans(experiment=experiment, spans=spans)
    for info in infos(experiment, sorted({each.trace_id for each in spans})[::2]):
        start_trace(experiment=experiment, info=info)
    found = stored()
    Trace.objects.all().delete()
    return found


@pytest.mark.django_db
def test_in_every_order_and_any_number_of_parts_the_result_is_the_same(team: Team):
    experiment = create_experiment(team=team)
    wanted = expected(experiment)
    assert len(wanted["traces"]) == 16
    for seed in range(ORDERS):
        for part in deliveries(experiment, seed):
            deliver(experiment, part)
        found = stored()
        assert found["spans"] == wanted["spans"], seed
        assert found["traces"] == wanted["traces"], seed
        assert found["facts"] == wanted["facts"], seed
        Trace.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_delivered_by_many_threads_at_once_the_result_is_the_same():
    experiment = create_experiment(team=create_team())
    wanted = expected(experiment)

    def send(part: Any) -> None:
        try:
            deliver(experiment, part)
        finally:
            connections.close_all()

    for seed in range(4):
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(send, part) for part in deliveries(experiment, seed)]:
                done.result()
        assert stored() == wanted, seed
        Trace.objects.all().delete()


@pytest.mark.django_db
def test_the_step_that_speaks_for_a_silent_root_is_chosen_by_what_it_is(team: Team):
    store_spans(experiment=create_experiment(team=team), spans=records())
    silent = Trace.objects.get(trace_id=trace_id("silent"))
    assert (silent.inputs, silent.outputs) == ("Where?", "There.")
    assert silent.tags["mlflow.traceName"] == "POST /chat"
    roots = Trace.objects.get(trace_id=trace_id("roots"))
    assert (roots.inputs, roots.metadata) == ("x", {"mlflow.trace.user": "a"})
    remote = Trace.objects.get(trace_id=trace_id("remote"))
    assert (remote.state, remote.inputs) == ("OK", "hello")
    assert remote.conversation_id == "late-session"
    running = Trace.objects.get(trace_id=trace_id("running"))
    assert (running.state, running.outputs) == ("IN_PROGRESS", [1, 2])


@pytest.mark.django_db
def test_a_file_that_the_client_uploads_as_well_changes_nothing(team: Team):
    experiment = create_experiment(team=team)
    spans = decode_protobuf(as_protobuf(*demo_spans(3)), Limits())
    store_spans(experiment=experiment, spans=spans)
    before = stored()
    for each in {record.trace_id for record in spans}:
        rows = list(Span.objects.filter(trace__trace_id=each).values(*COLUMNS))
        file = json.loads(encode_file(each, rows))
        store_spans(experiment=experiment, spans=decode_file(file, each, Limits()))
    assert stored() == before


def test_a_group_is_written_at_once_and_one_bad_job_spoils_only_itself():
    written: list[list[int]] = []
    gate = threading.Event()

    def write(jobs: Sequence[int]) -> None:
        if jobs == [0]:
            gate.wait(30)
        if 3 in jobs:
            raise ValueError("3 cannot be written")
        written.append(list(jobs))

    commit: GroupCommit[int] = GroupCommit(write)
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.submit(commit, 0)
        others = {number: pool.submit(commit, number) for number in range(1, 6)}
        assert eventually(lambda: len(commit.waiting) == 5)
        gate.set()
        first.result()
        for number, other in others.items():
            if number == 3:
                with pytest.raises(ValueError, match="3 cannot"):
                    other.result()
            else:
                other.result()
    assert sorted(number for group in written for number in group) == [0, 1, 2, 4, 5]


@pytest.mark.django_db(transaction=True)
def test_a_locked_database_is_waited_out():
    experiment = create_experiment(team=create_team())
    spans = decode_protobuf(as_protobuf(span(1)), Limits())
    store_spans(experiment=experiment, spans=spans)
    is_locked, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Trace.objects.select_for_update().get()
                is_locked.set()
                may_go.wait(30)
        finally:
            connections.close_all()

    def send() -> None:
        try:
            store_spans(
                experiment=experiment, spans=decode_protobuf(as_protobuf(span(2)), Limits())
            )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(hold)
        assert is_locked.wait(30)
        writer = pool.submit(send)
        assert not writer.done()
        may_go.set()
        holder.result()
        writer.result()
    assert Span.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_who_reads_a_trace_whose_spans_are_on_their_way_waits_for_them(settings):
    settings.INGEST_WAIT_SECONDS = 30
    team = create_team()
    experiment = create_experiment(team=team)
    token = create_token(user=create_user(username="adam", team=team, role=Role.ADMIN))
    spans = decode_protobuf(as_protobuf(span(1), span(2, parent=1)), Limits())
    start_trace(
        experiment=experiment,
        info=TraceInfoRecord(
            trace_id=trace_id("a"),
            experiment_id=experiment.wire_id,
            state="OK",
            requested_at=datetime(2026, 11, 23, tzinfo=UTC),
            metadata={"mlflow.trace.sizeStats": '{"num_spans": 2}'},
        ),
    )

    def read() -> Any:
        try:
            return Client().get(
                f"/api/3.0/mlflow/traces/get?trace_id={trace_id('a')}&allow_partial=False",
                headers={"authorization": f"Bearer {token}"},
            )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        assert eventually(reader.running)
        store_spans(experiment=experiment, spans=spans[:1])
        assert not reader.done()
        store_spans(experiment=experiment, spans=spans[1:])
        answer = reader.result()
    assert answer.status_code == 200
    assert len(answer.json()["trace"]["spans"]) == 2


@pytest.mark.django_db(transaction=True)
def test_what_was_answered_survives_a_web_process_that_is_killed():
    team = create_team()
    experiment = create_experiment(team=team)
    token = create_token(user=create_user(username="adam", team=team, role=Role.ADMIN))
    web = WebProcess()
    answered: list[str] = []
    is_over = threading.Event()

    def send(sender: int) -> None:
        for number in range(10_000):
            if is_over.is_set():
                return
            name = f"{sender}-{number}"
            request = Request(
                f"{web.url}/v1/traces",
                data=as_protobuf(span(1, trace=name), span(2, trace=name, parent=1)),
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/x-protobuf",
                    "x-mlflow-experiment-id": experiment.wire_id,
                },
            )
            try:
                with urlopen(request, timeout=30) as answer:
                    if answer.status == 200:
                        answered.append(trace_id(name))
            except (URLError, OSError):
                return

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            senders = [pool.submit(send, sender) for sender in range(4)]
            assert eventually(lambda: len(answered) > 100), web.process.text
            web.kill()
            for sender in senders:
                sender.result()
    finally:
        is_over.set()
        web.kill()
    connection.close()
    kept = set(Trace.objects.values_list("trace_id", flat=True))
    assert set(answered) <= kept
    assert all(trace.spans.count() == 2 for trace in Trace.objects.prefetch_related("spans"))
