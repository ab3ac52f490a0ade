"""The lists behind the numbers of a session's board: as many lines as the number says."""

from __future__ import annotations

import re
from datetime import datetime
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import (
    Assignment,
    FeedbackSession,
    Judge,
    Team,
    Trace,
    User,
)
from annotator.services import assignments
from tests import factories
from tests.factories import (
    assignment_of,
    create_experiment,
    create_judge,
    create_session,
    create_trace,
    create_user,
)


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def ben(team: Team) -> User:
    return create_user(username="ben", team=team)


@pytest.fixture
def traces(judge: Judge) -> list[Trace]:
    return [create_trace(experiment=judge.experiment, question=f"Question {n}") for n in range(4)]


@pytest.fixture
def session(
    judge: Judge, traces: list[Trace], alice: User, ben: User, lena: User
) -> FeedbackSession:
    """Two people, four traces, each of which both answer."""
    return create_session(judge=judge, reviewers=[alice, ben], traces=traces, actor=lena, overlap=2)


def answer(
    *,
    user: User,
    session: FeedbackSession,
    trace: Trace,
    value: str = "good",
    rationale: str = "",
    now: datetime | None = None,
) -> None:
    """The user's answer on a trace, under the session's first judge's name."""
    factories.answer(
        user=user,
        assignment=assignment_of(user=user, session=session, trace=trace),
        judge=session.session_judges.select_related("judge")[0].judge,
        value=value,
        rationale=rationale,
        now=now,
    )


class _Links(HTMLParser):
    """The links of a page whose text is a whole number, by address."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.numbers: list[tuple[str, int]] = []
        self._href, self._text = "", ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._href, self._text = dict(attrs).get("href") or "", ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        number = re.search(r"\d+", self._text) if tag == "a" else None
        if number and re.search("/(items|answers)/", self._href):
            self.numbers.append((self._href, int(number[0])))


def test_every_number_of_the_board_opens_a_list_of_that_many(
    client: Client, judge: Judge, alice: User, ben: User, lena: User, team: Team
) -> None:
    cem = create_user(username="cem", team=team)
    traces = [create_trace(experiment=judge.experiment, question=f"Q{n}") for n in range(6)]
    session = create_session(
        judge=judge,
        reviewers=[alice, ben, cem],
        traces=traces,
        actor=lena,
        overlap=2,
        shared_items=1,
        third_opinion=True,
    )
    given = iter(["good", "poor", "good", "poor", "poor", "good", "poor", "excellent"])
    for user in (alice, ben, cem):
        mine = Assignment.objects.filter(reviewer__user=user).order_by("position")
        for place in list(mine)[:2]:
            trace = place.item.trace
            answer(user=user, session=session, trace=trace, value=next(given), rationale="So." * 2)
    shared = session.items.get(is_shared=True)
    for user in (alice, ben, cem):
        mine = Assignment.objects.filter(reviewer__user=user, state="TODO").order_by("position")
        for place, act in zip(list(mine), ("skip", "hold", "flag"), strict=False):
            place = assignment_of(user=user, session=session, trace=place.item.trace)
            if act == "skip":
                assignments.skip(user=user, assignment=place, reason="UNCLEAR", text="")
            elif act == "hold":
                assignments.hold(user=user, assignment=place)
            else:
                assignments.flag(user=user, assignment=place, text="Look at this.")
    client.force_login(lena)

    page = client.get(reverse("session-detail", args=[session.pk]))
    numbers = _Links(page.content.decode()).numbers

    found = {href: client.get(href).context["total"] for href, _ in numbers}
    assert [(href, found[href]) for href, _ in numbers] == numbers
    board = page.context["board"]
    assert shared.wanted == 3
    listed = {href for href, _ in numbers}
    assert {board.done.href, board.wanted.href, board.skips[0][1].href} <= listed
    assert {
        figure.href for figure in board.judges[0].__dict__.values() if hasattr(figure, "href")
    } <= listed
    assert board.skips[0][0] == "The guideline does not cover it"


def test_a_list_of_answers_says_who_what_why_and_when(
    client: Client,
    session: FeedbackSession,
    judge: Judge,
    traces: list[Trace],
    alice: User,
    ben: User,
    lena: User,
) -> None:
    answer(user=alice, session=session, trace=traces[0], value="good", rationale="It helps.")
    answer(user=ben, session=session, trace=traces[0], value="poor")
    answer(user=alice, session=session, trace=traces[1], value="poor", rationale="Rude.")
    client.force_login(lena)
    address = reverse("session-answers", args=[session.pk])

    negative = client.get(f"{address}?judge={judge.pk}&side=negative")
    assert [
        (row.words, row.who, row.said[0].value, row.said[0].reason)
        for row in negative.context["rows"]
    ] == [("Question 0", "ben", "poor", ""), ("Question 1", "alice", "poor", "Rude.")]
    reasons = client.get(f"{address}?judge={judge.pk}&with_reason=yes")
    assert [row.said[0].reason for row in reasons.context["rows"]] == ["It helps.", "Rude."]
    assert "It helps." in reasons.content.decode()
    first = client.get(f"{address}?judge={judge.pk}&first=2")
    assert [row.who for row in first.context["rows"]] == ["alice", "ben"]
    wanted = client.get(address, {"asked": "all"}).context["rows"]
    assert [row.state for row in wanted].count("To do") == 5
    assert len(wanted) == 8


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("judge=0", "Name a judge of this session"),
        ("side=left&judge={judge}", "A side is positive, neutral or negative."),
        ("first=x&judge={judge}", "as a number"),
        ("asked=none", "all or done"),
        ("skipped=BORED", "no reason “BORED”"),
    ],
)
def test_a_wrong_filter_of_answers_says_so_and_is_left_out(
    client: Client, session: FeedbackSession, judge: Judge, lena: User, query: str, sentence: str
) -> None:
    client.force_login(lena)
    address = reverse("session-answers", args=[session.pk])
    page = client.get(f"{address}?{query.format(judge=judge.pk)}")
    assert page.status_code == 200
    assert sentence in page.content.decode()
