"""The trace page: what it shows, to whom, and that nothing a trace carries breaks it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Assessment, Experiment, Judge, Span, Team, User
from annotator.services.guidelines import save_guideline
from annotator.services.judges import edit_judge
from annotator.services.settling import settle_label
from tests.factories import (
    QUALITY,
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_verdict,
)


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team, name="support")


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment, name="quality")


def address(trace_id: str, query: str = "") -> str:
    return reverse("trace-detail", args=[trace_id]) + (f"?{query}" if query else "")


def page_of(client: Client, trace_id: str, query: str = "") -> str:
    response = client.get(address(trace_id, query))
    assert response.status_code == 200
    return response.content.decode()


def test_who_may_see_it(
    client: Client, alice: User, lena: User, adam: User, olga: User, experiment: Experiment
) -> None:
    trace = create_trace(experiment=experiment, answer="The unique answer.")
    assert client.get(address(trace.trace_id)).status_code == 302
    for member in (alice, lena, adam):
        client.force_login(member)
        assert "The unique answer." in page_of(client, trace.trace_id)
    client.force_login(olga)
    assert client.get(address(trace.trace_id)).status_code == 404


def test_an_unknown_id_is_404_and_a_wrong_method_405(
    client: Client, alice: User, experiment: Experiment
) -> None:
    trace = create_trace(experiment=experiment)
    client.force_login(alice)
    assert client.get(address("nope")).status_code == 404
    assert client.delete(address(trace.trace_id)).status_code == 405
    assert client.put(address(trace.trace_id)).status_code == 405


@pytest.mark.parametrize(
    "trace_id", ["a/b/c", "ü ?#&%", "x" * 200, "<script>", "2026-01-01T00:00:00+01:00"]
)
def test_any_id_has_a_page(
    client: Client, alice: User, experiment: Experiment, trace_id: str
) -> None:
    create_trace(experiment=experiment, trace_id=trace_id)
    client.force_login(alice)
    page_of(client, trace_id)
    assert client.get("/traces/").status_code == 200


def test_a_conversation_shows_its_turns_and_tool_calls(
    client: Client, alice: User, experiment: Experiment
) -> None:
    trace = create_trace(
        experiment=experiment,
        inputs={
            "messages": [
                {"role": "user", "content": "Where is **A-7**?"},
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "lookup", "arguments": '{"order": "A-7"}'}}]},
                {"role": "tool", "tool_call_id": "1", "content": '{"status": "shipped"}'},
            ]
        },
        outputs={"message": {"role": "assistant", "content": "On its way."}},
    )  # fmt: skip
    Span.objects.create(
        trace=trace, span_id="s", name="lookup", span_type="TOOL", start_ns=0, end_ns=120_000_000
    )
    client.force_login(alice)
    page = page_of(client, trace.trace_id)
    assert "Where is <strong>A-7</strong>?" in page
    assert "lookup(order=&quot;A-7&quot;)" in page
    assert "120 ms" in page
    assert "On its way." in page


def test_steps_and_raw_views_are_links(client: Client, alice: User, experiment: Experiment) -> None:
    trace = create_trace(experiment=experiment)
    Span.objects.create(
        trace=trace, span_id="s", name="plan", start_ns=0, end_ns=2_000_000, inputs={"q": 1}, status="ERROR", status_message="Timed out."
    )  # fmt: skip
    client.force_login(alice)
    steps = page_of(client, trace.trace_id, "view=steps")
    assert "plan" in steps
    assert "Timed out." in steps
    assert '<rect class="step-time' in steps
    raw = page_of(client, trace.trace_id, "view=raw")
    assert "&quot;question&quot;: &quot;Where is my parcel?&quot;" in raw
    assert "Reading" in page_of(client, trace.trace_id, "view=nonsense")


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "text",
        7,
        {"messages": "x"},
        {"messages": [{"role": 1}]},
        {"\ud800": ["\x00", float("nan")]},
    ],
)
@pytest.mark.parametrize("view", ["reading", "steps", "raw"])
def test_an_odd_trace_never_fails(
    client: Client, alice: User, experiment: Experiment, odd: object, view: str
) -> None:
    trace = create_trace(experiment=experiment, inputs=odd, outputs=odd, metadata={"odd": odd})
    client.force_login(alice)
    page_of(client, trace.trace_id, f"view={view}")


def test_markup_of_a_trace_is_shown_and_never_run(
    client: Client, alice: User, experiment: Experiment
) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    trace = create_trace(
        experiment=experiment, question=evil, answer=evil, tags={evil: evil}, metadata={evil: evil}
    )
    client.force_login(alice)
    for view in ("reading", "steps", "raw"):
        page = page_of(client, trace.trace_id, f"view={view}")
        assert "<script>alert" not in page
        assert "<img" not in page
    assert "<script>alert" not in client.get("/traces/").content.decode()


def test_every_verdict_with_value_version_and_reason(
    client: Client, alice: User, adam: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace, value="poor", rationale="Old reason.")
    edit_judge(
        actor=adam,
        judge=judge,
        instructions="New: {{ outputs }}",
        value_type=QUALITY,
        model="demo:/x",
    )
    judge.refresh_from_db()
    create_verdict(judge=judge, trace=trace, value="good", rationale="New reason.")
    client.force_login(alice)
    response = client.get(address(trace.trace_id))
    [card] = response.context["cards"]
    assert (card.verdict.value, card.verdict.judge_version.number) == ("good", 2)
    assert [verdict.value for verdict in card.older_verdicts] == ["poor"]
    page = response.content.decode()
    assert all(text in page for text in ("New reason.", "Old reason.", "v2", "v1", "demo:/x"))


def test_an_expert_sees_colleagues_only_after_answering_and_a_lead_always(
    client: Client, alice: User, lena: User, adam: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    create_feedback(judge=judge, trace=trace, author=adam, value="poor", rationale="Adam's reason")
    create_feedback(judge=judge, trace=trace, author=lena, value="poor", rationale="Lena's reason")
    client.force_login(alice)
    page = page_of(client, trace.trace_id)
    assert "2 colleagues have answered; you see those answers after giving yours." in page
    assert "reason</p>" not in page
    assert "Counts as" not in page
    client.force_login(lena)
    assert "Adam's reason" in page_of(client, trace.trace_id)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    client.force_login(alice)
    page = page_of(client, trace.trace_id)
    assert "Adam" in page
    assert "Lena" in page
    assert "2 of 3" in page


def test_the_label_line_says_why_there_is_none(
    client: Client, alice: User, lena: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    client.force_login(alice)
    [card] = client.get(address(trace.trace_id)).context["cards"]
    assert card.label.value is None
    assert card.label.why_none


def test_what_is_under_no_judge_s_name_is_shown_as_well(
    client: Client, alice: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    Assessment.objects.create(
        trace=trace,
        name="length",
        source_type="CODE",
        source_id="counter",
        value=17,
        value_key="17",
    )
    Assessment.objects.create(
        trace=trace,
        name="quality",
        kind="EXPECTATION",
        source_type="HUMAN",
        source_id="x",
        value={"a": [1]},
    )
    client.force_login(alice)
    page = page_of(client, trace.trace_id)
    assert "Also recorded" in page
    assert "counter" in page


def test_an_experiment_without_a_judge_says_what_to_do(
    client: Client, alice: User, experiment: Experiment
) -> None:
    client.force_login(alice)
    assert "No judge yet" in page_of(client, create_trace(experiment=experiment).trace_id)


def test_the_form_offers_each_value_with_its_key_and_when_to_choose_it(
    client: Client, alice: User, lena: User, experiment: Experiment, judge: Judge
) -> None:
    save_guideline(
        actor=lena, judge=judge, text="Be **strict**.", choose_when={"poor": "It is wrong."}
    )
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace, value="good")
    client.force_login(alice)
    response = client.get(address(trace.trace_id))
    [card] = response.context["cards"]
    assert [(option.key, option.shortcut) for option in card.options] == [
        ("excellent", 1), ("good", 2), ("fair", 3), ("poor", 4)
    ]  # fmt: skip
    page = response.content.decode()
    assert "It is wrong." in page
    assert "Be <strong>strict</strong>." in page
    assert "checked" not in page.split("data-feedback-form")[1].split("</form>")[0]


def test_next_and_previous_follow_the_list_one_came_from(
    client: Client, alice: User, experiment: Experiment, judge: Judge
) -> None:
    start = datetime(2026, 3, 10, tzinfo=UTC)
    traces = [
        create_trace(experiment=experiment, requested_at=start + timedelta(minutes=n // 2))
        for n in range(5)
    ]
    for trace in traces[::2]:
        create_verdict(judge=judge, trace=trace, value="poor")
    client.force_login(alice)

    def around(position: int, filter_query: str = "") -> tuple[str | None, str | None]:
        query = f"list={quote(filter_query)}" if filter_query else ""
        context = client.get(address(traces[position].trace_id, query)).context
        return context["newer"], context["older"]

    ids = [trace.trace_id for trace in traces]
    assert around(2) == (ids[3], ids[1])
    assert around(4) == (None, ids[3])
    assert around(2, f"verdict={judge.pk}:poor") == (ids[4], ids[0])
    assert around(1, f"verdict={judge.pk}:poor") == (ids[2], ids[0])
    assert around(0, "q=xylophone") == (None, None)
    assert around(0, "&&==%%%nonsense=1&experiment=999") == (ids[1], None)


def test_the_judge_one_came_for_is_open(
    client: Client, alice: User, experiment: Experiment, judge: Judge
) -> None:
    other = create_judge(experiment=experiment, name="another")
    trace = create_trace(experiment=experiment)
    client.force_login(alice)

    def opened(query: str = "") -> int:
        return int(client.get(address(trace.trace_id, query)).context["open_judge"])

    assert opened() == other.pk
    create_verdict(judge=judge, trace=trace)
    assert opened() == judge.pk
    assert opened(f"judge={other.pk}") == other.pk
    assert opened(f"list={quote(f'verdict={other.pk}:~none')}") == other.pk
    create_feedback(judge=judge, trace=trace, author=alice)
    assert opened() == other.pk


def test_a_settled_label_says_who_settled_it_and_leads_on_to_settle(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    settle_label(actor=lena, judge=judge, trace=trace, value="poor")
    client.force_login(alice)
    page = client.get(reverse("trace-detail", args=[trace.trace_id])).content.decode()
    assert re.search(r"1 of 2, settled by lena\s+<time", page)
    settle = reverse("judge-settle-trace", args=[judge.pk, trace.trace_id])
    assert settle not in page
    client.force_login(lena)
    page = client.get(reverse("trace-detail", args=[trace.trace_id])).content.decode()
    assert settle in page


def test_a_changed_guideline_is_told_above_the_form_until_the_next_answer(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    save_guideline(
        actor=lena,
        judge=judge,
        text="",
        choose_when={"good": "It names a date."},
        change_note="Dates matter now.",
    )
    client.force_login(alice)
    url = reverse("trace-detail", args=[trace.trace_id])
    page = client.get(url).content.decode()
    assert "has changed since your last answer" in page
    assert "Dates matter now." in page
    assert "1 of your answers to look at again" in page
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    assert "has changed since your last answer" not in client.get(url).content.decode()
