"""Admins hear once of each time that no worker is there, from a process that needs none."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import signals
from django.core import mail

from annotator import celery
from annotator.models import (
    Membership,
    Notification,
    NotificationKind,
    Preferences,
    Role,
    Worker,
    WorkerOutage,
)
from annotator.services import notifications, worker_watch, workers
from annotator.services.notifications import Message
from annotator.services.opt_out import switch
from tests.factories import create_team, create_user

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
NIGHT = datetime(2026, 3, 3, 23, 0, tzinfo=UTC)
DAY = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def adam_has_an_address(adam, lena):
    for user in (adam, lena):
        user.email = f"{user.username}@example.org"
        user.save()


def look_for(minutes: int, *, start: datetime = DAY) -> None:
    """Look every twenty seconds for so long."""
    for step in range(3 * minutes + 1):
        worker_watch.look(watched_since=DAY, now=start + step * MINUTE / 3)


def told() -> list[tuple[str, str]]:
    return [(each.to[0], str(each.subject)) for each in mail.outbox]


def test_admins_are_told_once_of_an_outage_and_nobody_else():
    look_for(1)
    assert told() == []
    look_for(30)
    assert told() == [("adam@example.org", "No worker is running")]
    assert "12:00 (UTC)" in mail.outbox[0].body
    assert "No job waits" in mail.outbox[0].body


def test_a_worker_that_is_restarted_is_no_outage():
    look_for(1)
    workers.beat(name="w")
    worker_watch.look(watched_since=DAY, now=DAY + 2 * MINUTE)
    Worker.objects.all().delete()
    look_for(1, start=DAY + 3 * MINUTE)
    assert told() == []


def test_the_next_outage_is_told_again_but_not_within_the_hour():
    look_for(5)
    workers.beat(name="w")
    worker_watch.look(watched_since=DAY, now=DAY + 6 * MINUTE)
    Worker.objects.all().delete()
    look_for(20, start=DAY + 10 * MINUTE)
    assert len(told()) == 1
    look_for(5, start=DAY + 70 * MINUTE)
    assert len(told()) == 2
    assert list(WorkerOutage.objects.order_by("pk").values_list("is_over", flat=True)) == [
        True,
        False,
    ]


def test_in_quiet_hours_it_waits_and_is_dropped_when_a_worker_came_back():
    look_for(10, start=NIGHT)
    assert told() == []
    workers.beat(name="w")
    worker_watch.look(watched_since=DAY, now=NIGHT + 60 * MINUTE)
    notifications.send_due(now=NIGHT + 600 * MINUTE)
    assert told() == []
    assert Notification.objects.get().status == Notification.Status.OUTDATED


def test_in_quiet_hours_it_waits_and_comes_when_they_are_over():
    look_for(10, start=NIGHT)
    worker_watch.look(watched_since=DAY, now=NIGHT + 8 * 60 * MINUTE)
    assert len(told()) == 1


def test_who_does_not_want_it_is_not_told(adam):
    switch(user=adam, kind=NotificationKind.WORKER_DOWN, is_on=False)
    assert Preferences.objects.get(user=adam).timing == {"WORKER_DOWN": "NEVER"}
    look_for(10)
    assert told() == []


def test_other_mail_is_left_to_the_workers(lena):
    notifications.tell(
        [
            Message(
                user=lena,
                kind=NotificationKind.OPENED,
                key="x",
                subject="Open",
                sentence="Open.",
                button="Go",
                path="/",
            )
        ],
        now=DAY,
    )
    look_for(10)
    assert told() == [("adam@example.org", "No worker is running")]


def test_an_admin_of_two_teams_is_told_once(adam):
    Membership.objects.create(user=adam, team=create_team(), role=Role.ADMIN)
    create_user(username="root", is_superuser=True, email="root@example.org")
    look_for(10)
    assert sorted(told()) == [
        ("adam@example.org", "No worker is running"),
        ("root@example.org", "No worker is running"),
    ]


def test_where_all_starts_together_the_workers_get_their_time():
    workers.beat(name="w")
    Worker.objects.update(last_seen_at=DAY - 600 * MINUTE)
    look_for(1)
    assert WorkerOutage.objects.get().since == DAY - 600 * MINUTE
    assert told() == []
    look_for(3)
    assert len(told()) == 1


@pytest.mark.django_db(transaction=True)
def test_the_watch_looks_by_itself_until_it_is_stopped():
    watch = worker_watch.Watch(seconds=0.01)
    watch.start()
    for _ in range(500):
        if WorkerOutage.objects.exists():
            break
        time.sleep(0.01)
    watch.stop()
    assert WorkerOutage.objects.get().told_at is None


def test_the_scheduler_starts_the_watch():
    assert celery.watch in [receiver() for _, receiver in signals.beat_init.receivers]
