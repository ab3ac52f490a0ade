"""The workbench: rows, figures that open their lists, clusters, and the three causes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.models import DisagreementCause, Judge, Team, Trace, User
from annotator.services.causes import record_cause
from annotator.services.judges import update_settings
from tests.factories import (
    answer,
    assignment_of,
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_trace,
    create_user,
    create_verdict,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def ben(team: Team) -> User:
    return create_user(username="ben", team=team)


def disputed(
    judge: Judge, answers: dict[User, str | None], *, verdict: str = "good", **fields: Any
) -> Trace:
    """A trace with a verdict and these answers."""
    trace = create_trace(experiment=judge.experiment, **fields)
    create_verdict(judge=judge, trace=trace, value=verdict, rationale="It answers <b>all</b>.")
    for author, value in answers.items():
        create_feedback(judge=judge, trace=trace, author=author, value=value)
    return trace


def page(client: Client, judge: Judge, query: str = "") -> str:
    response = client.get(reverse("judge-disagreements", args=[judge.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def rows(text: str) -> list[int]:
    """The pks of the traces in the list, in its order."""
    return [int(pk) for pk in re.findall(r'id="dispute-(\d+)"', text)]


def cause(client: Client, judge: Judge, trace: Trace, **data: str):
    return client.post(reverse("disagreement-cause", args=[judge.pk, trace.trace_id]), data)


def test_the_costliest_come_first_and_reasons_are_escaped(
    client: Client, judge: Judge, alice: User, ben: User, lena: User
) -> None:
    near = disputed(judge, {alice: "excellent"})
    disputed(judge, {alice: "good"})
    far = disputed(judge, {alice: "poor"})
    tied = disputed(judge, {alice: "poor", ben: "good"})
    client.force_login(lena)
    text = page(client, judge)
    assert rows(text) == [far.pk, tied.pk, near.pk]
    assert "It answers &lt;b&gt;all&lt;/b&gt;." in text
    assert "<strong>0 %</strong> have a cause" in text
    assert "nothing yet" in text


def test_every_figure_opens_just_the_rows_that_it_counts(
    client: Client, judge: Judge, alice: User, ben: User, lena: User
) -> None:
    for number in range(3):
        disputed(judge, {alice: "poor"}, tags={"topic": "returns", "mlflow.user": "x"})
        disputed(judge, {alice: "poor", ben: "fair"}, verdict="fair", tags={"topic": "delivery"})
        trace = disputed(judge, {alice: "good", ben: "excellent"}, verdict="good")
        record_cause(
            actor=lena, judge=judge, trace=trace, cause=["PERSON", "JUDGE", "GUIDELINE"][number]
        )
    client.force_login(lena)
    text = page(client, judge)
    links = re.findall(
        r'href="(\?[^"]*)"[^>]*>[^<]*(?:<[^>]*>)?\s*(\d+)</span>', text
    ) + re.findall(r'href="(\?[^"]*)">[^<]*</a>\s*<span class="muted small">(\d+)', text)
    assert len(links) >= 12
    for query, count in links:
        query = query.replace("&amp;", "&")
        assert len(rows(page(client, judge, query))) == int(count), query
    assert "topic: returns" in text
    assert "mlflow.user" not in text
    assert "people poor, judge good" in text
    assert "people fair and poor" in text


def test_who_was_wrong_is_recorded_undone_and_shown(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    trace = disputed(judge, {alice: "poor"})
    client.force_login(lena)
    answer = cause(client, judge, trace, cause="JUDGE")
    assert answer.status_code == 302
    assert rows(page(client, judge)) == []
    assert rows(page(client, judge, "?state=JUDGE")) == [trace.pk]
    assert "<strong>100 %</strong> have a cause" in page(client, judge)
    assert "Everything is decided" in page(client, judge)
    cause(client, judge, trace)
    assert not DisagreementCause.objects.exists()
    assert rows(page(client, judge)) == [trace.pk]


def test_a_swap_gets_the_row_alone(client: Client, judge: Judge, alice: User, lena: User) -> None:
    trace = disputed(judge, {alice: "poor"})
    client.force_login(lena)
    answer = client.post(
        reverse("disagreement-cause", args=[judge.pk, trace.trace_id]),
        {"cause": "JUDGE"},
        headers={"HX-Request": "true"},
    )
    text = answer.content.decode()
    assert answer.status_code == 200
    assert text.strip().startswith("<li")
    assert "The judge was wrong" in text


def test_an_unclear_guideline_opens_its_editor_with_the_gap_ticked_and_saving_links_them(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    trace = disputed(judge, {alice: "poor"})
    client.force_login(lena)
    answer = cause(client, judge, trace, cause="GUIDELINE", note="Is late still poor?")
    gap = DisagreementCause.objects.get()
    assert answer["Location"].endswith(f"?edit=1&gap={gap.pk}")
    editor = client.get(answer["Location"]).content.decode()
    assert "Is late still poor?" in editor
    assert re.search(rf'value="{gap.pk}"[^>]*checked', editor)
    client.post(
        reverse("judge-guideline", args=[judge.pk]),
        {"text": "Late is poor.", "answers": [gap.pk]},
    )
    gap.refresh_from_db()
    assert gap.answered_by is not None
    assert gap.answered_by.number == 1
    guideline = client.get(reverse("judge-guideline", args=[judge.pk])).content.decode()
    assert "Written because of 1 unclear place" in guideline
    assert trace.trace_id in guideline
    assert "guideline 1" in page(client, judge, "?state=GUIDELINE")


def test_what_is_wrong_with_a_cause_is_said(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    trace = disputed(judge, {alice: "poor"})
    client.force_login(lena)
    for data, sentence in (
        ({"cause": "WEATHER"}, "Choose what the cause is"),
        ({"cause": "JUDGE", "note": "x" * 2_001}, "The note is longer than 2,000 characters"),
    ):
        cause(client, judge, trace, **data)
        assert sentence in page(client, judge)
    assert not DisagreementCause.objects.exists()


def test_filters_that_make_no_sense_are_left_out(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    trace = disputed(judge, {alice: "poor"})
    client.force_login(lena)
    for query in (
        "?state=x&kind=y&pair=good&tag=a&session=abc&after=1.2",
        "?session=99999999999999999999&after=1.2.99999999999999999999999",
        "?pair=%00&pair=%00&pair=%00",
    ):
        found = rows(page(client, judge, query))
        assert found == ([] if "pair=%00" in query else [trace.pk])


def test_a_session_narrows_the_list_to_its_traces(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    disputed(judge, {alice: "poor"})
    inside = create_trace(experiment=judge.experiment)
    create_verdict(judge=judge, trace=inside, value="good")
    session = create_session(judge=judge, traces=[inside], reviewers=[alice], actor=lena)
    place = assignment_of(user=alice, session=session, trace=inside)
    answer(user=alice, assignment=place, judge=judge, value="poor")
    client.force_login(lena)
    text = page(client, judge, f"?session={session.pk}")
    assert rows(text) == [inside.pk]
    assert session.name in text
    assert "What seeing the verdict does in this session" in text
    assert "in this session" not in page(client, judge)


def test_experts_see_only_what_they_answered_and_cannot_decide(
    client: Client, judge: Judge, alice: User, ben: User
) -> None:
    own = disputed(judge, {alice: "poor", ben: "good"})
    other = disputed(judge, {ben: "poor"})
    client.force_login(alice)
    text = page(client, judge)
    assert rows(text) == [own.pk]
    assert other.trace_id not in text
    assert "waits for a lead" in text
    assert "disagreement-cause" not in text
    assert cause(client, judge, own, cause="JUDGE").status_code == 403


def test_the_person_named_to_settle_decides_without_leading(
    client: Client, judge: Judge, alice: User, ben: User, adam: User
) -> None:
    trace = disputed(judge, {ben: "poor"})
    update_settings(actor=adam, judge=judge, adjudicator="alice")
    client.force_login(alice)
    assert rows(page(client, judge)) == [trace.pk]
    assert cause(client, judge, trace, cause="JUDGE").status_code == 302
    assert DisagreementCause.objects.get().recorded_by == alice


def test_what_a_lead_has_yet_to_answer_blindly_is_in_no_list(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    trace = disputed(judge, {alice: "poor"})
    create_session(judge=judge, traces=[trace], reviewers=[lena], actor=lena)
    client.force_login(lena)
    text = page(client, judge)
    assert rows(text) == []
    assert trace.trace_id not in text
    settle = reverse("judge-settle-trace", args=[judge.pk, trace.trace_id])
    assert client.get(settle).status_code == 404
    assert client.post(settle, {"value": "poor", "cause": "JUDGE"}).status_code == 404


def test_pages_follow_each_other_without_gap_or_repetition(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    made = [disputed(judge, {alice: value}).pk for value in ("poor", "fair", "excellent") * 12]
    client.force_login(lena)
    found: list[int] = []
    query = ""
    for _ in range(3):
        text = page(client, judge, query)
        found += rows(text)
        following = re.search(r'rel="next"\s+href="(\?after=[^"]+)"', text)
        if not following:
            break
        query = following[1]
    assert len(found) == len(made)
    assert set(found) == set(made)


def test_the_number_of_queries_does_not_grow_with_the_disagreements(
    client: Client, judge: Judge, alice: User, ben: User, lena: User
) -> None:
    client.force_login(lena)
    page(client, judge)  # what is asked once in a while is asked here
    counts = []
    for _ in range(2):
        for _ in range(3):
            disputed(judge, {alice: "poor", ben: "good"})
        with CaptureQueriesContext(connection) as queries:
            page(client, judge)
        counts.append(len(queries))
    assert counts[0] == counts[1]
