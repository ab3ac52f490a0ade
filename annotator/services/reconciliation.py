"""What makes a broker that may lose messages good enough: rows say what is due, and this asks for it again."""

from __future__ import annotations

from datetime import timedelta

from typing import Any, Protocol

from django.conf import settings
from django.utils import timezone

from annotator import tasks
from annotator.models import AlignmentRun, Judge, JudgeShard, JudgeTrial, LeasedWork
from annotator.services import leases

class _Task(Protocol):
    def delay(self, pk: int, /) -> Any: ...


WORK: tuple[tuple[type[LeasedWork], _Task], ...] = (
    (AlignmentRun, tasks.execute_run),
    (JudgeShard, tasks.execute_shard),
    (JudgeTrial, tasks.execute_trial),
)


def reconcile() -> None:
    """Send again what waits for longer than a message takes, and what a dead worker left."""
    for model, task in WORK:
        for pk in leases.due_again(model):
            task.delay(pk)
    overlooked = timezone.now() - timedelta(seconds=settings.RECONCILE_SECONDS)
    for pk in Judge.objects.filter(readiness_due_at__lt=overlooked).values_list("pk", flat=True):
        tasks.start_run_if_due.delay(pk)
