"""First answers: which of a person's answers says how far people agree, and what the judge's page makes of them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Assessment, Judge, Source, Team, Trace, User, Visibility
from annotator.services.agreement import expert_agreement
from annotator.services.feedback import withdraw_feedback
from annotator.services.first_answers import (
    first_answers,
    first_values,
    outliers_of,
    split_agreement,
)
from annotator.services.submissions import undo
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
def trace(judge: Judge) -> Trace:
    return create_trace(experiment=judge.experiment)


def test_a_correction_leaves_the_first_answer_as_it_was(
    judge: Judge, trace: Trace, alice: User
) -> None:
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    (found,) = first_answers([judge])
    assert (found.value, found.final) == ("poor", "good")


def test_an_answer_taken_back_was_none(judge: Judge, trace: Trace, alice: User) -> None:
    withdrawn = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    withdraw_feedback(author=alice, assessment=withdrawn)
    assert first_answers([judge]) == []
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    assert first_values(judge, trace) == {"alice": "good"}


def test_who_first_said_that_it_cannot_be_judged_is_no_rater(
    judge: Judge, trace: Trace, alice: User
) -> None:
    create_feedback(judge=judge, trace=trace, author=alice, value=None, declined_reason="Unclear")
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    assert first_answers([judge]) == []


def test_of_imported_answers_the_newest_counts(judge: Judge, trace: Trace) -> None:
    for value, valid in (("poor", False), ("good", True)):
        Assessment.objects.create(
            trace=trace,
            name=judge.name,
            source_type=Source.HUMAN,
            source_id="gold",
            value=value,
            value_key=value,
            valid=valid,
        )
    assert first_values(judge, trace) == {"gold": "good"}


def test_the_answer_before_the_verdict_was_shown_counts_even_after_it_was_undone(
    judge: Judge, trace: Trace, alice: User, lena: User
) -> None:
    create_verdict(judge=judge, trace=trace, value="good")
    session = create_session(
        judge=judge, traces=[trace], reviewers=[alice], actor=lena, visibility="REVEALED"
    )
    place = assignment_of(user=alice, session=session, trace=trace)
    answer(user=alice, assignment=place, judge=judge, value="poor")
    undo(user=alice, assignment=place)
    answer(user=alice, assignment=place, judge=judge, value="good")
    (found,) = first_answers([judge], session=session, with_verdicts=True)
    assert (found.value, found.verdict, found.final) == ("poor", "good", "good")


def test_the_verdict_is_the_one_there_was_at_the_time_or_the_first_after(
    judge: Judge, trace: Trace, alice: User, lena: User, adam: User
) -> None:
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    create_verdict(judge=judge, trace=trace, value="good")
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    create_verdict(judge=judge, trace=trace, value="fair")
    create_feedback(judge=judge, trace=trace, author=adam, value="poor")
    seen = {each.person: each.verdict for each in first_answers([judge], with_verdicts=True)}
    assert seen == {"alice": "good", "lena": "good", "adam": "fair"}


def test_agreement_is_apart_by_visibility_everywhere_and_within_one_session(
    judge: Judge, alice: User, lena: User
) -> None:
    traces = [create_trace(experiment=judge.experiment) for _ in range(6)]
    for trace in traces:
        create_verdict(judge=judge, trace=trace, value="good")
    session = create_session(judge=judge, traces=traces[:3], reviewers=[alice], actor=lena)
    for trace in traces[:3]:
        place = assignment_of(user=alice, session=session, trace=trace)
        answer(user=alice, assignment=place, judge=judge, value="poor")
    for trace in traces[3:]:
        create_feedback(judge=judge, trace=trace, author=alice, value="good")
    split = split_agreement(judge)
    assert {name: group.with_judge.value for name, group in split.groups.items()} == {
        Visibility.BLIND: 0.0,
        Visibility.OPEN: 1.0,
    }
    assert split.anchoring.value == 1.0
    assert split_agreement(judge, session=session).answers == 3
    assert list(split_agreement(judge, session=session).groups) == [Visibility.BLIND]


def test_agreement_among_people_goes_by_first_answers(
    judge: Judge, trace: Trace, alice: User, lena: User
) -> None:
    for author, value in ((alice, "poor"), (lena, "good"), (lena, "poor")):
        create_feedback(judge=judge, trace=trace, author=author, value=value)
    assert expert_agreement(judge).percent_agreement.value == 0.0


def test_the_page_shows_anchoring_to_everybody_and_outliers_to_leads_alone(
    client: Client, judge: Judge, alice: User, lena: User, team: Team
) -> None:
    people = [create_user(username=name, team=team) for name in ("ben", "carl")]
    for _ in range(12):
        trace = create_trace(experiment=judge.experiment)
        create_verdict(judge=judge, trace=trace, value="good")
        for author, value in ((alice, "poor"), *((person, "good") for person in people)):
            create_feedback(judge=judge, trace=trace, author=author, value=value)
    assert [each.person for each in outliers_of(judge)] == ["alice"]
    url = reverse("judge-detail", args=[judge.pk])
    client.force_login(people[0])
    page = client.get(url).content.decode()
    assert "What seeing the verdict does" in page
    assert "Worth a talk" not in page
    client.force_login(lena)
    page = client.get(url).content.decode()
    assert "Worth a talk" in page
    assert "Says “poor” where others say “good”, 24 times." in page
    assert "and 7 more" in page
