"""Whether everything works that the app needs: the database, the broker, a worker."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from datetime import datetime

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from annotator.models import Worker
from annotator.services import workers
from annotator.services.workers import Waiting

logger = logging.getLogger(__name__)

BROKER_TIMEOUT_SECONDS = 2
# waiting for longer means that the workers cannot keep up
LONG_WAIT_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Health:
    """What was found. `problems` are sentences, empty when all is well; without a database the rest is unknown."""

    database: bool
    broker: bool
    workers: list[Worker]
    waiting: Waiting
    problems: list[str]


def check_health() -> Health:
    """Try the database and the broker, and look who works and what waits."""
    problems: list[str] = []
    seen: list[Worker] = []
    queue = Waiting(jobs=0, since=None)
    database = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        seen = list(Worker.objects.order_by("-last_seen_at"))
        queue = workers.waiting()
    except DatabaseError:
        logger.exception("The database failed the health check.")
        database = False
        problems.append(
            "The database does not answer, or its tables are missing; run `manage.py migrate`."
        )
    broker = _broker_works()
    if not broker:
        where = (
            "Redis at REDIS_URL does not answer"
            if settings.REDIS_URL
            else "The broker's folder cannot be written"
        )
        problems.append(f"{where}, so new jobs wait until it does.")
    if database and not any(not workers.is_silent(worker.last_seen_at) for worker in seen):
        problems.append(f"No worker is running; start one: {workers.command_to_start()}")
    elif queue.since and age_seconds(queue.since) > LONG_WAIT_SECONDS:
        problems.append("The oldest job has waited for more than five minutes; add workers.")
    return Health(database=database, broker=broker, workers=seen, waiting=queue, problems=problems)


def age_seconds(then: datetime) -> float:
    """Seconds since then."""
    return round((timezone.now() - then).total_seconds(), 1)


def _broker_works() -> bool:
    """Ask the Redis server for an answer; without one, write a file to the broker's folder."""
    try:
        if settings.REDIS_URL:
            server = redis.Redis.from_url(
                settings.REDIS_URL,
                socket_connect_timeout=BROKER_TIMEOUT_SECONDS,
                socket_timeout=BROKER_TIMEOUT_SECONDS,
            )
            with server:
                server.ping()
        else:
            with tempfile.TemporaryFile(
                dir=str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"])
            ):
                pass
    except (OSError, redis.RedisError):
        logger.exception("The broker failed the health check.")
        return False
    return True
