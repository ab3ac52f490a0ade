"""Tells admins when no worker is there. Workers send all other mail; this runs in the scheduler, which lives on without them."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from annotator.models import Notification, NotificationKind, Role, User, WorkerOutage
from annotator.services import notifications, workers
from annotator.services.notifications import Message

logger = logging.getLogger(__name__)

LOOK_SECONDS = 20
# A worker that is being restarted is back by then.
TELL_AFTER = timedelta(minutes=2)
# A worker that comes and goes is told of once in so long.
TELL_AGAIN_AFTER = timedelta(hours=1)


def look(*, watched_since: datetime, now: datetime | None = None) -> None:
    """Note whether workers are there, and tell admins once of each time that none is. Safe to call at the same moment.

    Args:
        watched_since: Since when this process looks; where all starts together, the workers get their time.
    """
    now = now or timezone.now()
    if workers.is_any_alive():
        _end_outage(now)
        return
    outage = WorkerOutage.objects.filter(is_over=False).first()
    if outage is None:
        # Of two that look at once, one makes the row.
        WorkerOutage.objects.bulk_create(
            [WorkerOutage(since=workers.last_seen() or now)], ignore_conflicts=True
        )
        outage = WorkerOutage.objects.get(is_over=False)
    lately = WorkerOutage.objects.filter(told_at__gt=now - TELL_AGAIN_AFTER)
    if max(outage.since, watched_since) + TELL_AFTER <= now and not lately.exists():
        _tell(outage, now)
    notifications.send_due(now=now, kinds=[NotificationKind.WORKER_DOWN])


class Watch:
    """Looks again and again in a thread of its own, until the process ends."""

    def __init__(self, *, seconds: float = LOOK_SECONDS) -> None:
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look_until_stopped, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopped.set()
        self._thread.join()

    def _look_until_stopped(self) -> None:
        begun = timezone.now()
        while not self._stopped.wait(self._seconds):
            try:
                look(watched_since=begun)
            except Exception:  # whatever it was, the next look may see what this one could not
                logger.exception("Could not look whether a worker is there.")
            finally:
                connection.close()


def _tell(outage: WorkerOutage, now: datetime) -> None:
    with transaction.atomic():
        if not WorkerOutage.objects.filter(pk=outage.pk, told_at=None).update(told_at=now):
            return
        waiting = workers.waiting().jobs
        jobs = {0: "No job waits", 1: "One job waits"}.get(waiting, f"{waiting} jobs wait")
        notifications.tell(
            (
                Message(
                    user=admin,
                    kind=NotificationKind.WORKER_DOWN,
                    key=f"worker down {outage.pk} {admin.pk}",
                    subject="No worker is running",
                    sentence=f"No worker has been there since {outage.since:%A %d %B, %H:%M} (UTC). {jobs}; nothing that was submitted is lost.",
                    button="See how to start one",
                    path="/",
                )
                for admin in _admins()
            ),
            now=now,
        )


def _end_outage(now: datetime) -> None:
    """A worker is there again: what waits for the end of somebody's quiet hours is not told any more."""
    if WorkerOutage.objects.filter(is_over=False).update(is_over=True):
        Notification.objects.filter(
            kind=NotificationKind.WORKER_DOWN, status=Notification.Status.WAITING
        ).update(until=now)


def _admins() -> list[User]:
    is_admin = Q(memberships__role=Role.ADMIN) | Q(is_superuser=True)
    return list(User.objects.filter(is_admin, is_active=True).distinct().order_by("pk"))
