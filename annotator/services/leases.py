"""A worker's hold on a durable job: exclusive, renewed while it works, fenced when it was lost.

The claim is one conditional UPDATE, which behaves the same on SQLite and PostgreSQL. Every later write names the
attempt it belongs to, so that a worker that was silent for too long cannot write over the one that came after it.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotator.models import LeasedWork, WorkStatus

logger = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 4
CANCEL_LOOK_SECONDS = 1.0
MAX_ATTEMPTS = 5
# A message is on its way for a moment after its row was written; only then is it taken for lost.
LOST_AFTER_SECONDS = 10


class Lease:
    """A claimed job. Inside `with lease:` a thread renews it until the block ends.

    Attributes:
        pk: The row's key.
        attempt: How often the job has been claimed, this time included.
    """

    def __init__(self, *, model: type[LeasedWork], pk: int, attempt: int) -> None:
        self.pk = pk
        self.attempt = attempt
        self._model = model
        self._cancelled = threading.Event()
        self._ended = threading.Event()
        self._renewal: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._renewal = threading.Thread(
            target=self._renew_until_ended,
            name=f"lease-{self._model.__name__}-{self.pk}",
            daemon=True,
        )
        self._renewal.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._renewal is not None:
            self._renewal.join()
        if isinstance(error, DatabaseError):
            return  # nothing can be written now; the lease runs out and the job is taken up again
        if isinstance(error, Exception):
            # Nobody foresaw this error, and doing the same again would meet it again.
            text = f"Something went wrong that should not have ({kind and kind.__name__}: {error}); the worker's log has the details."
            self.finish(WorkStatus.FAILED, error_kind="Unexpected", error_text=text)
        elif error is not None:
            self.update(
                status=WorkStatus.QUEUED, lease_until=None
            )  # the worker is being stopped: let another go on

    def cancelled(self) -> bool:
        """Whether to stop: somebody asked for it, or another worker has the job now. Costs no query."""
        return self._cancelled.is_set()

    def update(self, **fields: Any) -> bool:
        """Write fields of the row; False, and nothing written, when the lease was lost."""
        return self._mine().update(**fields) == 1

    def finish(self, status: WorkStatus, **fields: Any) -> bool:
        """Write the last fields and give the lease up; False, and nothing written, when it was lost."""
        return self.update(status=status, lease_until=None, finished_at=timezone.now(), **fields)

    def renew(self) -> bool:
        """Hold the job for another while and learn whether to stop; False when the lease was lost."""
        held = self.update(lease_until=_lease_end())
        if not held:
            self._cancelled.set()
        self._look_for_cancel()
        return held

    def _look_for_cancel(self) -> None:
        if self._mine().filter(cancel_requested=True).exists():
            self._cancelled.set()

    def _mine(self) -> QuerySet[LeasedWork]:
        return self._model._default_manager.filter(
            pk=self.pk, attempt=self.attempt, status=WorkStatus.RUNNING
        )

    def _renew_until_ended(self) -> None:
        every = settings.LEASE_SECONDS / RENEWALS_PER_LEASE
        renewed_at = time.monotonic()
        try:
            while not self._ended.wait(min(CANCEL_LOOK_SECONDS, every)):
                try:
                    if time.monotonic() - renewed_at < every:
                        self._look_for_cancel()
                        continue
                    renewed_at = time.monotonic()
                    if not self.renew():
                        logger.warning("Lost the lease on %s %s.", self._model.__name__, self.pk)
                        return
                except DatabaseError:  # the next renewal may succeed, and the lease outlasts some
                    logger.exception(
                        "Could not renew the lease on %s %s.", self._model.__name__, self.pk
                    )
        finally:
            connection.close()


def claim(model: type[LeasedWork], pk: int) -> Lease | None:
    """Take a job that waits, or whose worker went silent; None when somebody else has it or it is done."""
    now = timezone.now()
    free = model._default_manager.filter(
        Q(status=WorkStatus.QUEUED) | Q(status=WorkStatus.RUNNING, lease_until__lt=now),
        pk=pk,
        cancel_requested=False,
    )
    seen = free.values_list("attempt", flat=True).first()
    if seen is None:
        return None
    claimed = free.filter(attempt=seen).update(
        status=WorkStatus.RUNNING,
        attempt=seen + 1,
        lease_until=_lease_end(),
        started_at=Coalesce("started_at", now),
    )
    return Lease(model=model, pk=pk, attempt=seen + 1) if claimed else None


def due_again(model: type[LeasedWork]) -> list[int]:
    """Keys of jobs whose worker went silent or whose message was lost, oldest first.

    Jobs that cannot be taken up again are ended on the way: cancelled ones, and those that took too many workers with them.
    """
    now = timezone.now()
    rows = model._default_manager
    silent = Q(status=WorkStatus.RUNNING, lease_until__lt=now)
    rows.filter(silent | Q(status=WorkStatus.QUEUED), cancel_requested=True).update(
        status=WorkStatus.CANCELLED, lease_until=None, finished_at=now
    )
    rows.filter(silent, attempt__gte=MAX_ATTEMPTS).update(
        status=WorkStatus.FAILED,
        lease_until=None,
        finished_at=now,
        error_kind="WorkerLost",
        error_text=f"The worker died {MAX_ATTEMPTS} times in the middle of this; see the worker's log, then start it again.",
    )
    lost = Q(status=WorkStatus.QUEUED, created_at__lt=now - timedelta(seconds=LOST_AFTER_SECONDS))
    return list(rows.filter(silent | lost).order_by("created_at").values_list("pk", flat=True))


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
