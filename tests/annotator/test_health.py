"""What the installation says of itself, and the banner when nobody does the work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from annotator.models import JudgeTrial, User, Worker, WorkStatus
from annotator.services import workers
from annotator.views.health import BANNER_SECONDS, banner_state
from tests.processes import WorkerProcess

pytestmark = pytest.mark.django_db


def worker(*, silent_seconds: float, name: str = "celery@here 1") -> Worker:
    seen = timezone.now() - timedelta(seconds=silent_seconds)
    return Worker.objects.create(name=name, hostname="here", pid=1, last_seen_at=seen)


def banner() -> str:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return " ".join(render_to_string("_worker_banner.html", request=request).split())


def test_all_well_is_ok_for_anybody(client):
    worker(silent_seconds=3)
    answer = client.get(reverse("healthz"))
    health = answer.json()
    assert (answer.status_code, health["status"], health["problems"]) == (200, "ok", [])
    assert (health["database"], health["broker"]) == ("ok", "ok")
    assert [row["alive"] for row in health["workers"]] == [True]
    assert 3 <= health["workers"][0]["age_seconds"] < 30
    assert health["waiting"] == {"jobs": 0, "oldest": None, "age_seconds": None}
    assert "no-store" in answer.headers["Cache-Control"]


def test_without_a_worker_it_is_degraded_and_says_how_to_start_one(client):
    worker(silent_seconds=31)
    answer = client.get(reverse("healthz"))
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "No worker is running; start one: " in answer.json()["problems"][0]
    assert workers.WORKER_COMMAND in answer.json()["problems"][0]
    assert answer.json()["workers"][0]["alive"] is False


def test_the_oldest_waiting_job_is_named_and_a_long_wait_is_a_problem(client, alice: User):
    worker(silent_seconds=0)
    now = timezone.now()
    for age, status in [
        (900, WorkStatus.RUNNING),
        (400, WorkStatus.QUEUED),
        (5, WorkStatus.QUEUED),
    ]:
        JudgeTrial.objects.create(
            definition={}, created_by=alice, status=status, created_at=now - timedelta(seconds=age)
        )
    health = client.get(reverse("healthz")).json()
    assert health["waiting"]["jobs"] == 2
    assert 400 <= health["waiting"]["age_seconds"] < 430
    assert "five minutes" in health["problems"][0]


def test_a_broken_database_is_503_with_a_sentence(client):
    def refuse(*_: object) -> None:
        raise DatabaseError("the server went away")

    with connection.execute_wrapper(refuse):
        answer = client.get(reverse("healthz"))
    assert (answer.status_code, answer.json()["database"]) == (503, "failed")
    assert "The database does not answer" in answer.json()["problems"][0]


def test_a_broken_broker_is_degraded(client, settings, tmp_path):
    worker(silent_seconds=0)
    settings.REDIS_URL = ""
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_out": str(tmp_path / "missing")}
    answer = client.get(reverse("healthz"))
    assert (answer.status_code, answer.json()["broker"]) == (200, "failed")
    assert "The broker's folder cannot be written" in answer.json()["problems"][0]


def test_a_redis_that_is_not_there_is_degraded(client, settings):
    worker(silent_seconds=0)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get(reverse("healthz"))
    assert (answer.status_code, answer.json()["broker"]) == (200, "failed")
    assert "Redis at REDIS_URL does not answer" in answer.json()["problems"][0]


def test_posting_is_refused(client):
    assert client.post(reverse("healthz")).status_code == 405


def test_no_banner_while_a_worker_lives():
    worker(silent_seconds=29)
    worker(silent_seconds=900, name="celery@there 2")
    assert banner() == ""


def test_the_banner_counts_what_waits_and_names_the_command(alice: User):
    worker(silent_seconds=120)
    JudgeTrial.objects.create(definition={}, created_by=alice)
    text = banner()
    assert "No worker is running: the last one was heard of 2 minutes ago." in text
    assert "1 job waits until one starts." in text
    assert f"<code>{workers.command_to_start()}</code>" in text


def test_the_banner_is_there_when_there_was_never_a_worker():
    assert "<strong>No worker is running.</strong>" in banner()


def test_the_banner_comes_within_a_minute_of_a_death():
    assert workers.SILENT_SECONDS + workers.BEAT_SECONDS + BANNER_SECONDS < 60


def test_the_banner_costs_one_query_and_none_for_a_while(django_assert_num_queries):
    worker(silent_seconds=0)
    with django_assert_num_queries(1):
        banner()
    with django_assert_num_queries(0):
        banner()
    banner_state.forget()
    with django_assert_num_queries(1):
        banner()


def test_the_command_names_the_data_folder_when_it_is_not_the_usual_one(monkeypatch):
    monkeypatch.setenv("ANNOTATOR_DATA", "/srv/my data")
    assert workers.command_to_start() == f"ANNOTATOR_DATA='/srv/my data' {workers.WORKER_COMMAND}"
    monkeypatch.delenv("ANNOTATOR_DATA")
    assert workers.command_to_start() == workers.WORKER_COMMAND


def test_a_first_beat_replaces_the_announcement_and_forgets_the_long_dead():
    workers.announce()
    worker(silent_seconds=2 * 24 * 3600, name="celery@there 2")
    workers.beat(name="celery@here 1")
    workers.beat(name="celery@here 1")
    assert [row.name for row in Worker.objects.all()] == ["celery@here 1"]


def test_a_worker_reports_while_it_lives_and_signs_off(worker_process: WorkerProcess):
    assert workers.is_any_alive()
    worker_process.stop()
    assert not Worker.objects.exists()


def test_a_killed_worker_goes_silent_and_stays_in_the_list(worker_process: WorkerProcess):
    worker_process.kill()
    assert [row.pid for row in Worker.objects.all()] == [worker_process.process.popen.pid]
