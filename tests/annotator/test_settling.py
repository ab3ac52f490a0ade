"""The settling screen: cards without names, one decision after the other, reopened and pinned."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.models import DisagreementCause, Judge, Notification, Settlement, Team, Trace, User
from annotator.services.guidelines import save_guideline
from annotator.services.judges import update_settings
from annotator.services.settling import settle_label
from judges.values import ValueKind, ValueType
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
    return create_user(username="ben", team=team, first_name="Benedikt", last_name="Brandt")


@pytest.fixture
def traces(judge: Judge, alice: User, ben: User) -> list[Trace]:
    """Three traces on which alice says poor, ben good, and the judge good; the list shows the newest first."""
    made = []
    for number in range(3):
        trace = create_trace(experiment=judge.experiment, question=f"Question {number}")
        create_verdict(judge=judge, trace=trace, value="good", rationale="It is polite.")
        create_feedback(judge=judge, trace=trace, author=alice, value="poor", rationale="No date.")
        create_feedback(judge=judge, trace=trace, author=ben, value="good", rationale="Kind.")
        made.append(trace)
    return made[::-1]


def address(judge: Judge, trace: Trace, query: str = "") -> str:
    return reverse("judge-settle-trace", args=[judge.pk, trace.trace_id]) + query


def show(client: Client, judge: Judge, trace: Trace, query: str = "") -> str:
    response = client.get(address(judge, trace, query))
    assert response.status_code == 200
    return response.content.decode()


def test_names_are_hidden_until_it_is_decided_and_can_be_shown(
    client: Client, judge: Judge, traces: list[Trace], lena: User
) -> None:
    client.force_login(lena)
    hidden = show(client, judge, traces[0])
    assert "Person A" in hidden
    assert "Benedikt" not in hidden
    assert "alice" not in hidden
    assert "No date." in hidden
    assert "It is polite." in hidden
    assert "Benedikt Brandt" in show(client, judge, traces[0], "?names=1")
    settle_label(actor=lena, judge=judge, trace=traces[0], value="poor")
    assert "Benedikt Brandt" in show(client, judge, traces[0])


def test_the_values_carry_who_chose_them(
    client: Client, judge: Judge, traces: list[Trace], lena: User
) -> None:
    client.force_login(lena)
    text = show(client, judge, traces[0])
    options = re.findall(r'class="radio-card-title">(\w+)<.*?</label>', text, re.DOTALL)
    chosen = {
        name: re.findall(r'<span class="badge">([^<]+)</span>', part)
        for name, part in re.findall(
            r'class="radio-card-title">(\w+)<(.*?)</label>', text, re.DOTALL
        )
    }
    assert options == ["excellent", "good", "fair", "poor"]
    assert chosen == {
        "excellent": [],
        "good": ["Person B", "Judge"],
        "fair": [],
        "poor": ["Person A"],
    }


def test_settling_goes_on_to_the_next_and_after_the_last_to_the_workbench(
    client: Client, judge: Judge, traces: list[Trace], lena: User
) -> None:
    client.force_login(lena)
    here = client.get(reverse("judge-settle", args=[judge.pk]))["Location"]
    assert here == address(judge, traces[0])
    for following in (*traces[1:], None):
        answered = client.post(here, {"value": "poor", "cause": "JUDGE", "rationale": "Late."})
        here = answered["Location"]
        if following:
            assert here == address(judge, following)
    assert here.startswith(reverse("judge-disagreements", args=[judge.pk]))
    assert set(judge.labels.values_list("value_key", "settled_by")) == {("poor", "lena")}
    nothing_left = client.get(reverse("judge-settle", args=[judge.pk]), follow=True)
    assert "nothing left to settle" in nothing_left.content.decode()


def test_adopting_fills_in_value_and_reason_and_is_remembered(
    client: Client, judge: Judge, traces: list[Trace], lena: User
) -> None:
    client.force_login(lena)
    text = show(client, judge, traces[0])
    adopt = re.search(r"adopt=(a-\w+)#settle", text)
    assert adopt
    filled = show(client, judge, traces[0], f"?adopt={adopt[1]}")
    assert re.search(r'value="poor"\s+checked', filled)
    assert ">No date.</textarea>" in filled
    client.post(
        address(judge, traces[0]),
        {"value": "poor", "rationale": "No date.", "cause": "JUDGE", "adopted_from": adopt[1]},
    )
    adopted = Settlement.objects.get().adopted_from
    assert adopted is not None
    assert adopted.assessment_id == adopt[1]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"cause": "JUDGE"}, "Choose what it counts as: one of: excellent, good, fair, poor."),
        ({"value": "awful", "cause": "JUDGE"}, "“awful” is not one of"),
        ({"value": "poor"}, "Say why the answers differ."),
        ({"value": "poor", "cause": "WEATHER"}, "Choose one of the three causes."),
        ({"value": "poor", "cause": "JUDGE", "rationale": "x" * 20_001}, "20,000 characters"),
    ],
)
def test_what_is_missing_is_said_beside_the_field_and_nothing_is_settled(
    client: Client,
    judge: Judge,
    traces: list[Trace],
    lena: User,
    data: dict[str, str],
    sentence: str,
) -> None:
    client.force_login(lena)
    answered = client.post(address(judge, traces[0]), data)
    assert answered.status_code == 422
    assert sentence in answered.content.decode()
    assert not Settlement.objects.exists()


def test_a_gap_in_the_guideline_leads_to_its_editor(
    client: Client, judge: Judge, traces: list[Trace], lena: User
) -> None:
    client.force_login(lena)
    answered = client.post(
        address(judge, traces[0]),
        {"value": "poor", "cause": "GUIDELINE", "note": "Dates?", "then": "guideline"},
    )
    gap = DisagreementCause.objects.get()
    assert gap.note == "Dates?"
    assert answered["Location"].endswith(f"?edit=1&gap={gap.pk}")


def test_a_decision_is_reopened_and_pinned_from_its_page(
    client: Client, judge: Judge, traces: list[Trace], lena: User, alice: User
) -> None:
    save_guideline(actor=lena, judge=judge, text="Look for a date.", choose_when={})
    settlement = settle_label(
        actor=lena, judge=judge, trace=traces[0], value="poor", rationale="It has no date."
    )
    client.force_login(lena)
    pin = reverse("settlement-pin", args=[settlement.pk])
    client.post(pin, {"pinned": "1"})
    client.force_login(alice)
    guideline = client.get(reverse("judge-guideline", args=[judge.pk])).content.decode()
    assert "Question 2" in guideline
    assert "It has no date." in guideline
    client.force_login(lena)
    client.post(pin, {"pinned": "0"})
    assert not Settlement.objects.pinned().exists()
    answered = client.post(reverse("settlement-reopen", args=[settlement.pk]), follow=True)
    assert "Reopened" in answered.content.decode()
    again = client.post(reverse("settlement-reopen", args=[settlement.pk]), follow=True)
    assert "reopened already" in again.content.decode()


def test_a_pinned_example_is_not_shown_to_who_has_yet_to_answer_it_blindly(
    client: Client, judge: Judge, traces: list[Trace], lena: User, team: Team
) -> None:
    carl = create_user(username="carl", team=team)
    save_guideline(actor=lena, judge=judge, text="Look for a date.", choose_when={})
    settlement = settle_label(actor=lena, judge=judge, trace=traces[0], value="poor")
    settlement.pinned_at = settlement.settled_at
    settlement.save()
    create_session(judge=judge, traces=[traces[0]], reviewers=[carl], actor=lena)
    client.force_login(carl)
    guideline = client.get(reverse("judge-guideline", args=[judge.pk])).content.decode()
    assert "Question 2" not in guideline


def test_a_session_says_how_long_each_took_and_what_was_said_first(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    trace = create_trace(experiment=judge.experiment)
    create_verdict(judge=judge, trace=trace, value="good")
    session = create_session(
        judge=judge, traces=[trace], reviewers=[alice], actor=lena, visibility="REVEALED"
    )
    place = assignment_of(user=alice, session=session, trace=trace)
    answer(user=alice, assignment=place, judge=judge, value="poor", seconds=83)
    answer(user=alice, assignment=place, judge=judge, value="fair")
    client.force_login(lena)
    text = show(client, judge, trace, f"?session={session.pk}")
    assert "took 1 min 23 s" in text
    assert re.search(r"said first\s+<span[^>]*>poor", text)


def test_a_judge_of_numbers_or_text_is_settled_in_a_field(
    client: Client, team: Team, lena: User, alice: User
) -> None:
    for kind, said, value in ((ValueKind.NUMBER, 2.5, "3.5"), (ValueKind.TEXT, "Short.", "Long.")):
        judge = create_judge(
            experiment=create_experiment(team=team), value_type=ValueType(kind=kind)
        )
        trace = create_trace(experiment=judge.experiment)
        create_verdict(
            judge=judge, trace=trace, value=7.5 if kind is ValueKind.NUMBER else "Other."
        )
        create_feedback(judge=judge, trace=trace, author=alice, value=said)
        client.force_login(lena)
        assert 'id="settle-value"' in show(client, judge, trace)
        client.post(address(judge, trace), {"value": value, "cause": "PERSON"})
        assert str(judge.labels.get().value) == value


def test_the_lists_of_a_yes_no_judge_speak_of_yes_and_no(
    client: Client, team: Team, lena: User, alice: User, ben: User
) -> None:
    judge = create_judge(
        experiment=create_experiment(team=team), value_type=ValueType(kind=ValueKind.BOOLEAN)
    )
    for _ in range(3):
        trace = create_trace(experiment=judge.experiment)
        create_feedback(judge=judge, trace=trace, author=alice, value=True)
        create_feedback(judge=judge, trace=trace, author=ben, value=False)
    client.force_login(lena)
    workbench = client.get(reverse("judge-disagreements", args=[judge.pk])).content.decode()
    for page in (show(client, judge, trace), workbench):
        assert "people no and yes" in page
        assert "people false" not in page


def test_only_those_who_may_settle_come_in(
    client: Client, judge: Judge, traces: list[Trace], alice: User, ben: User, adam: User
) -> None:
    client.force_login(alice)
    for url in (address(judge, traces[0]), reverse("judge-settle", args=[judge.pk])):
        assert client.get(url).status_code == 403
    update_settings(actor=adam, judge=judge, adjudicator="ben")
    client.force_login(ben)
    assert client.get(address(judge, traces[0])).status_code == 200
    data = {"value": "poor", "cause": "JUDGE"}
    assert client.post(address(judge, traces[0]), data).status_code == 302


def test_a_trace_of_another_experiment_or_nobody_has_answered_is_not_settled(
    client: Client, judge: Judge, lena: User
) -> None:
    client.force_login(lena)
    assert client.get(address(judge, create_trace())).status_code == 404
    quiet = create_trace(experiment=judge.experiment)
    assert "Nobody has answered yet" in show(client, judge, quiet)
    answered = client.post(address(judge, quiet), {"value": "good"})
    assert answered.status_code == 422


def test_who_answered_otherwise_is_told_only_when_they_asked_for_it(
    judge: Judge, traces: list[Trace], lena: User, alice: User, ben: User
) -> None:
    for user in (alice, ben):
        user.email = f"{user.username}@example.org"
        user.save()
    settle_label(actor=lena, judge=judge, trace=traces[0], value="good")
    noted = Notification.objects.get()
    assert (noted.user, noted.kind, noted.status) == (alice, "SETTLED", "UNWANTED")
    assert "counts as good; you answered poor" in noted.sentence


def test_the_activity_log_tells_leads_of_it_and_experts_nothing(
    client: Client, judge: Judge, traces: list[Trace], lena: User, alice: User
) -> None:
    settle_label(actor=lena, judge=judge, trace=traces[0], value="poor", cause="JUDGE")
    client.force_login(lena)
    log = client.get(reverse("activity-list")).content.decode()
    words = " ".join(re.sub(r"<[^>]*>", " ", log).split())
    assert f"settled the label {judge.name} on {traces[0].trace_id}" in words
    assert "named the cause of the disagreement" in words
    client.force_login(alice)
    log = client.get(reverse("activity-list")).content.decode()
    assert "the disagreement" not in log


def test_the_number_of_queries_does_not_grow_with_the_list(
    client: Client, judge: Judge, traces: list[Trace], lena: User, alice: User, ben: User
) -> None:
    client.force_login(lena)
    counts = []
    for _ in range(2):
        show(client, judge, traces[0])  # works the figures out that the next look finds
        with CaptureQueriesContext(connection) as queries:
            show(client, judge, traces[0])
        counts.append(len(queries))
        for _ in range(4):
            more = create_trace(experiment=judge.experiment)
            create_verdict(judge=judge, trace=more)
            create_feedback(judge=judge, trace=more, author=alice, value="poor")
            create_feedback(judge=judge, trace=more, author=ben, value="fair")
    assert counts[0] == counts[1]
