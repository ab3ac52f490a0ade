"""A broker that is down delays work: nobody gets an error page, nobody waits long, and nothing is lost."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import ROOT, Site, free_port

# In a process of its own, because the settings are read when it starts.
SCRIPT = """
from datetime import timedelta
from django.test import Client
from django.urls import reverse
from annotator.models import JudgeShard, Role, WorkStatus
from annotator.services import leases
from tests.factories import create_experiment, create_judge, create_team, create_trace, create_user

team = create_team(name="Support")
admin = create_user(username="adam", team=team, role=Role.ADMIN)
judge = create_judge(experiment=create_experiment(team=team), actor=admin, alignment_policy="MANUAL")
create_trace(experiment=judge.experiment)
client = Client(SERVER_NAME="localhost")
client.force_login(admin)
answer = client.post(reverse("judge-run", args=[judge.pk]), {"scope": "all"})
shard = JudgeShard.objects.get(status=WorkStatus.QUEUED)
JudgeShard.objects.update(created_at=shard.created_at - timedelta(minutes=1))
assert leases.due_again(JudgeShard) == [shard.pk]
health = client.get(reverse("healthz"))
print("ANSWERS", answer.status_code, health.status_code, health.json()["status"])
print("PROBLEM", health.json()["problems"][0])
"""


@pytest.fixture(params=["closed", "silent"])
def broken_redis(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a port that nobody listens on, or of a server that takes every call and never answers."""
    if request.param == "closed":
        yield f"redis://127.0.0.1:{free_port()}/0"
        return
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_work_that_no_broker_takes_waits_for_the_next_look(tmp_path: Path, broken_redis: str):
    site = Site(tmp_path / "data", REDIS_URL=broken_redis)
    try:
        assert site.run("migrate", "--verbosity=0")[0] == 0
        code, text = site.run(
            "shell", "--no-imports", "--command", SCRIPT
        )  # ends, or fails, in time
    finally:
        site.close()
    assert code == 0, text
    assert "ANSWERS 302 200 degraded" in text
    assert "PROBLEM Redis at REDIS_URL does not answer, so new jobs wait until it does." in text
    assert text.count("The broker took no message") == 1


def test_messages_go_through_the_one_place_that_bears_a_broker_that_is_down():
    sources = [*ROOT.glob("annotator/**/*.py")]
    sending = re.compile(r"\.(delay|apply_async|send_task)\(")
    found = {str(path.relative_to(ROOT)) for path in sources if sending.search(path.read_text())}
    # a worker that starts has just reached the broker
    assert found == {"annotator/services/queueing.py", "annotator/celery.py"}
