"""A job has one worker at a time, and no job is lost with its worker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from annotator.models import JudgeShard, JudgeTrial, User, WorkStatus
from annotator.services import leases
from tests.processes import eventually

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(alice: User) -> JudgeTrial:
    return JudgeTrial.objects.create(definition={}, created_by=alice)


def expire(job: JudgeTrial) -> None:
    JudgeTrial.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_claimed_job_runs_and_cannot_be_claimed_again(job):
    lease = leases.claim(JudgeTrial, job.pk)
    assert lease is not None
    assert leases.claim(JudgeTrial, job.pk) is None
    job.refresh_from_db()
    assert (job.status, job.attempt) == (WorkStatus.RUNNING, 1)
    assert job.lease_until > timezone.now()


def test_a_missing_job_cannot_be_claimed():
    assert leases.claim(JudgeShard, 404) is None


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_one_gets_the_job(job):
    together = Barrier(8)

    def claim() -> leases.Lease | None:
        together.wait()
        try:
            return leases.claim(JudgeTrial, job.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        held = [future.result() for future in [pool.submit(claim) for _ in range(8)]]
    assert len([lease for lease in held if lease]) == 1


def test_an_expired_lease_is_taken_over_and_the_old_one_can_write_nothing(job):
    silent = leases.claim(JudgeTrial, job.pk)
    expire(job)
    taken = leases.claim(JudgeTrial, job.pk)
    assert silent is not None
    assert taken is not None
    assert taken.attempt == 2
    assert not silent.update(results=["stale"])
    assert not silent.finish(WorkStatus.FAILED)
    assert not silent.renew()
    assert silent.cancelled()
    assert taken.finish(WorkStatus.SUCCEEDED, results=["good"])
    job.refresh_from_db()
    assert (job.status, job.results, job.lease_until) == (WorkStatus.SUCCEEDED, ["good"], None)


def test_a_job_taken_over_keeps_its_first_start(job):
    leases.claim(JudgeTrial, job.pk)
    job.refresh_from_db()
    began = job.started_at
    expire(job)
    leases.claim(JudgeTrial, job.pk)
    job.refresh_from_db()
    assert job.started_at == began


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_renewed_while_the_work_lasts(job, settings):
    settings.LEASE_SECONDS = 1
    lease = leases.claim(JudgeTrial, job.pk)
    assert lease is not None
    job.refresh_from_db()
    later = JudgeTrial.objects.filter(lease_until__gt=job.lease_until + timedelta(seconds=1))
    with lease:
        assert eventually(later.exists)
        assert leases.claim(JudgeTrial, job.pk) is None


def test_a_request_to_cancel_is_seen_at_the_next_renewal(job):
    lease = leases.claim(JudgeTrial, job.pk)
    assert lease is not None
    JudgeTrial.objects.filter(pk=job.pk).update(cancel_requested=True)
    assert not lease.cancelled()
    assert lease.renew()
    assert lease.cancelled()


def test_an_unforeseen_error_fails_the_job_and_is_raised(job):
    lease = leases.claim(JudgeTrial, job.pk)
    assert lease is not None
    with pytest.raises(ZeroDivisionError), lease:
        raise ZeroDivisionError("by zero")
    job.refresh_from_db()
    assert job.status == WorkStatus.FAILED
    assert "ZeroDivisionError: by zero" in job.error_text


def test_a_stopped_worker_hands_the_job_back(job):
    lease = leases.claim(JudgeTrial, job.pk)
    assert lease is not None
    with pytest.raises(SystemExit), lease:
        raise SystemExit
    again = leases.claim(JudgeTrial, job.pk)
    assert again is not None
    assert again.attempt == 2


def test_after_a_database_error_the_lease_runs_out_by_itself(job):
    lease = leases.claim(JudgeTrial, job.pk)
    assert lease is not None
    with pytest.raises(OperationalError), lease:
        raise OperationalError("the server went away")
    job.refresh_from_db()
    assert job.status == WorkStatus.RUNNING


@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        ({"status": WorkStatus.QUEUED, "age": 1}, False),
        ({"status": WorkStatus.QUEUED, "age": 60}, True),
        ({"status": WorkStatus.RUNNING, "age": 60, "left": 5}, False),
        ({"status": WorkStatus.RUNNING, "age": 60, "left": -5}, True),
        (
            {"status": WorkStatus.RUNNING, "age": 60, "left": -5, "attempt": leases.MAX_ATTEMPTS},
            False,
        ),
        ({"status": WorkStatus.RUNNING, "age": 60, "left": -5, "cancel_requested": True}, False),
        ({"status": WorkStatus.SUCCEEDED, "age": 60}, False),
        ({"status": WorkStatus.CANCELLED, "age": 60}, False),
    ],
)
def test_due_again_is_what_waits_too_long_or_lost_its_worker(job, fields, is_due):
    now = timezone.now()
    age, left = fields.pop("age"), fields.pop("left", None)
    JudgeTrial.objects.filter(pk=job.pk).update(
        created_at=now - timedelta(seconds=age),
        lease_until=left and now + timedelta(seconds=left),
        **fields,
    )
    assert leases.due_again(JudgeTrial) == ([job.pk] if is_due else [])


def test_a_job_that_kills_its_workers_is_given_up_with_a_sentence(job):
    JudgeTrial.objects.filter(pk=job.pk).update(
        status=WorkStatus.RUNNING,
        attempt=leases.MAX_ATTEMPTS,
        lease_until=timezone.now() - timedelta(seconds=1),
    )
    leases.due_again(JudgeTrial)
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (WorkStatus.FAILED, "WorkerLost")
    assert "died 5 times" in job.error_text


def test_a_cancelled_job_of_a_dead_worker_is_ended(job):
    JudgeTrial.objects.filter(pk=job.pk).update(status=WorkStatus.QUEUED, cancel_requested=True)
    assert leases.claim(JudgeTrial, job.pk) is None
    leases.due_again(JudgeTrial)
    job.refresh_from_db()
    assert job.status == WorkStatus.CANCELLED
