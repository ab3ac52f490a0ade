"""Junk in the forms and lists of sessions: a sentence or nothing at all, never an error of ours."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from annotator.models import FeedbackSession, Judge, NotificationKind, Team, User
from tests.annotator.test_bad_input import ANSWERS, bounded, quoted, texts, undone
from tests.factories import (
    create_experiment,
    create_judge,
    create_session,
    create_trace,
    create_verdict,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(client: Client, team: Team, alice: User, lena: User) -> FeedbackSession:
    """An open session of one person and two traces; three more traces are free."""
    judge = create_judge(experiment=create_experiment(team=team))
    traces = [create_trace(experiment=judge.experiment) for _ in range(5)]
    for trace in traces:
        create_verdict(judge=judge, trace=trace)
    client.force_login(lena)
    return create_session(judge=judge, reviewers=[alice], traces=traces[:2], actor=lena)


def _plan(judge: Judge, user: User) -> dict[str, Any]:
    return {
        "step": "when", "go": "check", "name": "Week 12", "note": "", "judges": judge.pk, "goal": "FREE", "total": "2",
        "random_share": "20", "by": "verdict", "mix:good": "10", "picked": "", "removed": "", "remove": "", "seed": "1",
        "with_reviewed": "on", "with_unjudged": "on", "with_taken": "on", "reviewers": user.pk, "per_reviewer": "",
        "overlap": "1", "shared_items": "1", "third_opinion": "on", "visibility": "BLIND", "rationale_rule": "NEVER",
        "item_order": "SHUFFLED", "warm_up_items": "0", "take_more": "on", "opens_at": "", "closes_at": "2040-05-01T10:00",
        "time_zone": "Europe/Berlin", "grace_minutes": "0", "reminders": "on",
    }  # fmt: skip


def _forms(session: FeedbackSession, user: User) -> dict[str, dict[str, Any]]:
    plan = _plan(session.session_judges.select_related("judge")[0].judge, user)
    reviewer = session.reviewers.get()
    place = reviewer.assignments.first()
    assert place is not None

    def of(name: str) -> str:
        return reverse(name, args=[session.pk])

    return {
        reverse("session-create"): plan,
        reverse("session-preview"): plan,
        reverse("session-mix"): {**plan, "mix_for": "goal"},
        of("session-act"): {"action": "schedule", "allow_short": "1"},
        of("session-people"): {"action": "remind", "reviewer": reviewer.pk},
        of("session-move"): {"place": place.pk, "to": reviewer.pk},
        of("session-more-time"): {"reviewer": reviewer.pk, "closes_at": "2040-05-01T10:00"},
        of("session-release"): {"place": place.pk},
        of("session-change"): {
            "action": "apply", "reviewers": user.pk, "overlap": "1", f"room_{user.pk}": "",
            "closes_at": "2040-05-01T10:00", "grace_minutes": "0",
        },
        of("session-rule"): {
            "action": "on", "rule-every_days": "7", "rule-items": "5", "rule-window_hours": "5", "rule-random_share": "50",
        },
        reverse("settings-notifications"): {
            **{kind: "DIGEST" for kind in NotificationKind if kind != "WORKER_DOWN"},
            "digest_at": "08:00", "quiet_from": "20:00", "quiet_until": "07:00", "time_zone": "Asia/Tokyo",
        },
    }  # fmt: skip


def _post(client: Client, address: str, form: dict[str, Any]) -> Any:
    body = "&".join(f"{quoted(name)}={quoted(str(value))}" for name, value in form.items())
    return client.post(address, body, content_type="application/x-www-form-urlencoded")


def test_the_forms_are_taken_as_they_stand(
    client: Client, session: FeedbackSession, alice: User
) -> None:
    for address, form in _forms(session, alice).items():
        with undone():
            assert _post(client, address, form).status_code in {200, 302}, address


def test_junk_in_the_forms_of_sessions_is_no_error_of_ours(
    client: Client, session: FeedbackSession, alice: User
) -> None:
    forms = _forms(session, alice)
    fields = [(address, name) for address, form in forms.items() for name in form]

    @bounded
    @given(st.sampled_from(fields), texts, texts, st.randoms(use_true_random=False))
    def send(field: tuple[str, str], junk: str, more: str, chance: Random) -> None:
        address, name = field
        other = chance.choice([*forms[address], f"mix:{junk[:50]}"])
        with undone():
            answer = _post(client, address, {**forms[address], name: junk, other: more})
            assert answer.status_code in ANSWERS
            if answer.status_code == 302:
                assert client.get(answer["Location"]).status_code in {200, 302}

    send()


def test_junk_in_the_addresses_of_sessions_is_no_error_of_ours(
    client: Client, session: FeedbackSession
) -> None:
    pages = [
        *((reverse("session-create"), name) for name in ("goal", "judge", "traces")),
        *(
            (reverse("session-items", args=[session.pk]), name)
            for name in ("state", "reviewer", "place", "reason", "judge", "side", "differ", "with_reason", "page")
        ),
        *((reverse("session-detail", args=[session.pk]), name) for name in ("reviewer", "place")),
        (reverse("session-list"), "past"),
    ]  # fmt: skip

    @bounded
    @given(st.sampled_from(pages), texts)
    def look(page: tuple[str, str], junk: str) -> None:
        address, name = page
        with undone():
            assert client.get(f"{address}?{name}={quoted(junk)}").status_code in ANSWERS

    look()
