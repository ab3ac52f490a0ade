"""Which workers live, and what waits for them.

A worker's main process writes its row every few seconds, whatever its children are busy with.
"""

from __future__ import annotations

import logging
import os
import shlex
import socket
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone

from annotator.models import AlignmentRun, JudgeShard, JudgeTrial, Worker, WorkStatus

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10
# three beats missed: dead, or as good as dead
SILENT_SECONDS = 30
FORGOTTEN_AFTER = timedelta(days=1)
STARTING = "starting"
WORKER_COMMAND = ".venv/bin/python -m celery -A annotator worker"


class Heart:
    """Beats for one worker until it is told to stop."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_stopped, name="heart", daemon=True)

    def start(self) -> None:
        """Begin in a thread of its own; the first beat comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """End, and take the worker's row away: it is not dead but gone."""
        self._stopped.set()
        self._thread.join()
        try:
            Worker.objects.filter(name=self.name).delete()
        finally:
            connection.close()

    def _beat_until_stopped(self) -> None:
        while True:
            try:
                beat(name=self.name)
            except (
                DatabaseError
            ):  # a worker that cannot write is as good as dead, until it can again
                logger.exception("Could not write the heartbeat.")
            finally:
                connection.close()  # never open while the pool forks a child
            if self._stopped.wait(BEAT_SECONDS):
                return


def start_beating(*, nodename: str) -> Heart:
    """Say from now on that this process lives; several workers may bear the same node name."""
    heart = Heart(f"{nodename} {os.getpid()}")
    heart.start()
    return heart


def announce() -> None:
    """Say that a worker is being started here, so that nobody is told to start one meanwhile."""
    beat(name=STARTING)


def beat(*, name: str) -> None:
    """Write that the worker of that name lives, and forget those that died long ago."""
    now = timezone.now()
    if not Worker.objects.filter(name=name).update(last_seen_at=now):
        Worker.objects.filter(Q(last_seen_at__lt=now - FORGOTTEN_AFTER) | Q(name=STARTING)).delete()
        Worker.objects.update_or_create(
            name=name,
            defaults={"hostname": socket.gethostname(), "pid": os.getpid(), "last_seen_at": now},
        )


def alive() -> QuerySet[Worker]:
    """Workers heard of lately, the freshest first."""
    return Worker.objects.filter(last_seen_at__gte=_silent_since()).order_by("-last_seen_at")


def is_any_alive() -> bool:
    """Whether anybody does the work."""
    return alive().exists()


def last_seen() -> datetime | None:
    """When any worker was last heard of; None when there is no trace of one."""
    latest: datetime | None = Worker.objects.aggregate(latest=Max("last_seen_at"))["latest"]
    return latest


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Jobs that nobody has begun. `since` is when the oldest was asked for, None when there is none."""

    jobs: int
    since: datetime | None


def waiting() -> Waiting:
    """What waits for a worker, in a query for each kind of work."""
    queued = [
        model._default_manager.filter(status=WorkStatus.QUEUED).aggregate(
            jobs=Count("pk"), since=Min("created_at")
        )
        for model in (AlignmentRun, JudgeShard, JudgeTrial)
    ]
    return Waiting(
        jobs=sum(row["jobs"] for row in queued),
        since=min((row["since"] for row in queued if row["since"]), default=None),
    )


def command_to_start() -> str:
    """What to type in Annotator's folder so that a worker starts on this data."""
    folder = os.environ.get("ANNOTATOR_DATA")
    return f"ANNOTATOR_DATA={shlex.quote(folder)} {WORKER_COMMAND}" if folder else WORKER_COMMAND


def is_silent(seen_at: datetime | None) -> bool:
    """Whether somebody last heard of at that time counts as dead."""
    return seen_at is None or seen_at < _silent_since()


def _silent_since() -> datetime:
    return timezone.now() - timedelta(seconds=SILENT_SECONDS)
