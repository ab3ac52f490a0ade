"""The scheduler in a real worker that is really killed: sessions move on once, and nobody is told anything twice."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.utils import timezone

from annotator.models import (
    ActivityLog,
    Assignment,
    FeedbackSession,
    Notification,
    Preferences,
    SessionStatus,
    User,
)
from annotator.services.assignments import hold
from tests.factories import (
    create_experiment,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
)
from tests.processes import eventually, worker_on_test_database
from tests.smtp_stub import SmtpStub

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_killed_in_the_middle_of_a_mail_sends_it_to_nobody_twice(lena: User) -> None:
    team = create_team(name="Support")
    judge = create_judge(experiment=create_experiment(team=team))
    people = [create_user(team=team, email=f"p{number}@example.org") for number in range(2)]
    for user in people:  # whatever the time of day is when the test runs
        Preferences.objects.create(user=user, quiet_from=time(0), quiet_until=time(0))
    traces = [create_trace(experiment=judge.experiment) for _ in range(2)]
    session = create_session(judge=judge, reviewers=people, traces=traces, is_open=False)
    FeedbackSession.objects.filter(pk=session.pk).update(
        status=SessionStatus.SCHEDULED, opens_at=timezone.now() - timedelta(minutes=1)
    )
    with SmtpStub() as server:
        server.hangs = True
        mail = {
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(server.port),
            "EMAIL_USE_TLS": "off",
            "ANNOTATOR_WORKERS": "1",  # a second process would hang at the second mail
        }
        with worker_on_test_database(**mail) as worker:
            assert eventually(lambda: len(server.received) == 1), worker.process.text
            worker.kill()
            server.hangs = False
            worker.restart()
            sent = Notification.objects.filter(status=Notification.Status.SENT)
            assert eventually(sent.exists), worker.process.text
            mine = Assignment.objects.select_related("reviewer__user", "item__session").first()
            if mine is not None:
                hold(
                    user=mine.reviewer.user, assignment=mine, now=timezone.now() - timedelta(days=1)
                )
                given_back = Assignment.objects.filter(given_back_at__isnull=False)
                assert eventually(given_back.exists), worker.process.text

    told = [line for text in server.received for line in text.splitlines() if line[:3] == "To:"]
    assert sorted(told) == [f"To: {user.email}" for user in people]
    statuses = Notification.objects.values_list("status", flat=True)
    assert sorted(statuses) == [Notification.Status.CLAIMED, Notification.Status.SENT]
    assert ActivityLog.objects.filter(action="opened").count() == 1
