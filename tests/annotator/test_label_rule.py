"""The page of the label rule: what it would do is shown, and only what was shown is applied."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.models import Judge, Team, Trace, User
from annotator.services.guidelines import save_guideline
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_trace,
    create_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def traces(judge: Judge, team: Team, alice: User) -> dict[str, Trace]:
    """One trace on which all agree, one with a majority, one with a tie."""
    people = [alice, *(create_user(username=name, team=team) for name in ("ben", "carl"))]
    table = {
        "all": ("good", "good", "good"),
        "most": ("good", "good", "poor"),
        "tie": ("good", "poor", None),
    }
    made = {}
    for name, values in table.items():
        made[name] = create_trace(experiment=judge.experiment, question=f"{name} of them")
        for author, value in zip(people, values, strict=True):
            if value:
                create_feedback(judge=judge, trace=made[name], author=author, value=value)
    return made


def show(client: Client, judge: Judge, **asked: str) -> str:
    response = client.get(reverse("judge-rule", args=[judge.pk]), asked)
    assert response.status_code == 200
    return response.content.decode()


def apply(client: Client, judge: Judge, page: str, **changes: str) -> Any:
    """Press the button of the preview on that page."""
    seen = re.search(r'name="seen" value="(\w+)"', page)
    data = dict(
        re.findall(
            r'type="hidden"\s+name="(label_rule|adjudicator|only_current_guideline)"\s+value="([^"]*)"',
            page,
        )
    )
    return client.post(
        reverse("judge-rule", args=[judge.pk]),
        {**data, "seen": seen[1] if seen else "", **changes},
    )


def test_every_rule_says_beforehand_what_it_would_do(
    client: Client, judge: Judge, traces: dict[str, Trace], alice: User
) -> None:
    client.force_login(alice)
    page = show(client, judge)
    assert page.count("2 labels, as now.") == 2
    assert "2 now, 1 label then: 1 lost." in page
    assert "Name the person to see what would change." in page
    assert judge.labels.count() == 2


def test_the_preview_counts_each_value_and_lists_the_traces_and_applying_does_just_that(
    client: Client, judge: Judge, traces: dict[str, Trace], adam: User
) -> None:
    client.force_login(adam)
    page = show(client, judge, label_rule="ADJUDICATED", adjudicator="ben")
    assert "2 now, 3 labels then: 1 gained." in page
    assert traces["tie"].trace_id in page
    assert traces["most"].trace_id not in page
    figures = re.findall(
        r'<th scope="row">(\w+)</th>\s*<td class="numeric">(\d+)</td>\s*<td class="numeric">(?:<strong>)?(\d+)',
        page,
    )
    assert ("good", "2", "2") in figures
    assert ("poor", "0", "1") in figures
    assert judge.labels.count() == 2, "looking changes nothing"
    assert apply(client, judge, page).status_code == 302
    judge.refresh_from_db()
    assert (judge.label_rule, judge.adjudicator) == ("ADJUDICATED", "ben")
    assert judge.labels.count() == 3


def test_what_was_not_shown_is_not_applied(
    client: Client, judge: Judge, traces: dict[str, Trace], adam: User, alice: User
) -> None:
    client.force_login(adam)
    page = show(client, judge, label_rule="UNANIMOUS")
    create_feedback(judge=judge, trace=traces["all"], author=alice, value="poor")
    answered = apply(client, judge, page)
    assert answered.status_code == 422
    fresh = answered.content.decode()
    assert "The labels have changed since you looked" in fresh
    judge.refresh_from_db()
    assert judge.label_rule == "MAJORITY"
    assert apply(client, judge, fresh).status_code == 302
    judge.refresh_from_db()
    assert judge.label_rule == "UNANIMOUS"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"label_rule": "ADJUDICATED"}, "Name the person whose answer settles the label."),
        ({"label_rule": "COIN"}, "Select a valid choice."),
        ({"label_rule": "MAJORITY", "adjudicator": "x" * 251}, "at most 250 characters"),
    ],
)
def test_a_rule_that_is_wrong_says_so(
    client: Client, judge: Judge, adam: User, asked: dict[str, str], sentence: str
) -> None:
    client.force_login(adam)
    url = reverse("judge-rule", args=[judge.pk])
    for answered in (client.get(url, asked), client.post(url, asked)):
        assert answered.status_code == 422
        assert sentence in answered.content.decode()
    judge.refresh_from_db()
    assert judge.label_rule == "MAJORITY"


def test_leaving_out_old_wordings_is_shown_with_its_losses_and_applied(
    client: Client, judge: Judge, traces: dict[str, Trace], adam: User
) -> None:
    save_guideline(actor=adam, judge=judge, text="", choose_when={"good": "It has a date."})
    client.force_login(adam)
    page = show(client, judge, label_rule="MAJORITY", only_current_guideline="on")
    assert "2 now, 2 labels then: 1 gained, 1 lost, 1 changed." in page
    assert apply(client, judge, page).status_code == 302
    judge.refresh_from_db()
    assert judge.only_current_guideline
    assert {label.trace_id: label.value for label in judge.labels.all()} == {
        traces["most"].pk: "poor",
        traces["tie"].pk: "poor",
    }
    readiness = client.get(reverse("judge-readiness", args=[judge.pk])).content.decode()
    assert "They were answered under an earlier wording of the guideline" in readiness


def test_a_swap_gets_the_preview_alone(
    client: Client, judge: Judge, traces: dict[str, Trace], lena: User
) -> None:
    client.force_login(lena)
    answered = client.get(
        reverse("judge-rule", args=[judge.pk]),
        {"label_rule": "UNANIMOUS"},
        headers={"HX-Request": "true"},
    )
    text = answered.content.decode()
    assert text.strip().startswith("<section")
    assert "1 lost" in text
    assert "Apply this rule" not in text, "a lead reads it, an admin applies it"


def test_experts_see_the_counts_and_no_trace_and_nobody_what_a_session_hides(
    client: Client, judge: Judge, traces: dict[str, Trace], alice: User, lena: User
) -> None:
    client.force_login(alice)
    page = show(client, judge, label_rule="UNANIMOUS")
    assert "1 lost" in page
    assert traces["most"].trace_id not in page
    client.force_login(lena)
    assert traces["most"].trace_id in show(client, judge, label_rule="UNANIMOUS")
    create_session(judge=judge, traces=[traces["most"]], reviewers=[lena], actor=lena)
    assert traces["most"].trace_id not in show(client, judge, label_rule="UNANIMOUS")


def test_the_traces_are_listed_by_kind_and_page_by_page_in_as_many_queries(
    client: Client, judge: Judge, team: Team, alice: User, lena: User
) -> None:
    ben = create_user(username="ben", team=team)
    client.force_login(lena)
    counts = []
    for _ in range(2):
        for _ in range(16):
            trace = create_trace(experiment=judge.experiment)
            create_feedback(judge=judge, trace=trace, author=alice, value="good")
            create_feedback(judge=judge, trace=trace, author=ben, value="poor")
        show(client, judge)
        with CaptureQueriesContext(connection) as queries:
            page = show(client, judge, label_rule="ADJUDICATED", adjudicator="ben", show="gained")
        counts.append(len(queries))
    assert counts[0] == counts[1]
    following = re.search(r'rel="next"\s+href="\?([^"]+)"', page)
    assert following
    rest = client.get(
        f"{reverse('judge-rule', args=[judge.pk])}?{following[1].replace('&amp;', '&')}"
    ).content.decode()
    rows = re.compile(r'<a href="/trace/(tr-\d+)')
    assert len({*rows.findall(page), *rows.findall(rest)}) == 32
    lost = show(client, judge, label_rule="ADJUDICATED", adjudicator="ben", show="lost")
    assert rows.findall(lost) == []
