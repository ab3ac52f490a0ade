"""What a lost message or a dead worker left is asked for again, and not more than somebody could do now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import Celery, Task
from django.utils import timezone

from annotator.models import Judge, JudgeTrial, Team, User, Worker, WorkStatus
from annotator.services import leases
from annotator.services.queueing import send
from annotator.services.reconciliation import reconcile
from judges import make_judge
from tests.factories import create_experiment, create_judge

# tasks run where they are sent, and their threads look at the rows
pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(minutes=5)


@pytest.fixture
def waiting(adam: User) -> list[JudgeTrial]:
    """Five trials whose messages were lost; without a trace, so that they are done at once."""
    definition = make_judge(
        name="polite", instructions="{{ outputs }}", model="demo:/judge"
    ).to_dict()
    return [
        JudgeTrial.objects.create(
            definition=definition,
            created_by=adam,
            created_at=timezone.now() - LONG_AGO + timedelta(seconds=number),
        )
        for number in range(5)
    ]


def done() -> set[int]:
    trials = JudgeTrial.objects.filter(status=WorkStatus.SUCCEEDED)
    return set(trials.values_list("pk", flat=True))


def add_worker(name: str = "celery@here") -> None:
    Worker.objects.create(name=name, hostname="here", pid=1)


def test_waiting_work_is_sent_again_oldest_first_as_much_as_there_are_idle_processes(
    waiting: list[JudgeTrial], settings
) -> None:
    settings.ANNOTATOR_WORKERS = 2
    add_worker()
    reconcile()
    assert done() == {trial.pk for trial in waiting[:2]}
    reconcile()
    assert done() == {trial.pk for trial in waiting[:4]}


def test_behind_busy_workers_one_is_sent_because_its_message_may_be_lost(
    waiting: list[JudgeTrial], settings
) -> None:
    settings.ANNOTATOR_WORKERS = 2
    add_worker()
    held = [leases.claim(JudgeTrial, trial.pk) for trial in waiting[:2]]
    assert all(held)
    reconcile()
    assert done() == {waiting[2].pk}


def test_work_that_was_just_asked_for_is_not_sent_again(waiting: list[JudgeTrial]) -> None:
    JudgeTrial.objects.update(created_at=timezone.now())
    reconcile()
    assert not done()


def test_work_of_a_worker_that_went_silent_is_sent_again(waiting: list[JudgeTrial]) -> None:
    for trial in waiting:
        leases.claim(JudgeTrial, trial.pk)
    JudgeTrial.objects.filter(pk=waiting[3].pk).update(lease_until=timezone.now() - LONG_AGO)
    reconcile()
    assert done() == {waiting[3].pk}
    assert JudgeTrial.objects.get(pk=waiting[3].pk).attempt == 2


def test_cancelled_work_that_nobody_holds_ends_and_is_not_sent(waiting: list[JudgeTrial]) -> None:
    JudgeTrial.objects.update(cancel_requested=True)
    reconcile()
    assert set(JudgeTrial.objects.values_list("status", flat=True)) == {WorkStatus.CANCELLED}


def test_a_judge_that_nobody_looked_at_is_looked_at(team: Team) -> None:
    overlooked, just_now = (create_judge(experiment=create_experiment(team=team)) for _ in range(2))
    Judge.objects.filter(pk=overlooked.pk).update(readiness_due_at=timezone.now() - LONG_AGO)
    Judge.objects.filter(pk=just_now.pk).update(readiness_due_at=timezone.now())
    reconcile()
    overlooked.refresh_from_db()
    just_now.refresh_from_db()
    assert overlooked.readiness_due_at is None
    assert just_now.readiness_due_at is not None


def test_a_broker_that_is_down_is_logged_and_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    # nobody listens there; not current, or the app of the other tests would be forgotten
    app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    asked: list[int] = []

    @app.task(ignore_result=True)
    def note(pk: int) -> None:
        asked.append(pk)

    assert isinstance(note, Task)
    send(note, [1, 2, 3])
    assert not asked
    assert caplog.text.count("The broker took no message") == 1
