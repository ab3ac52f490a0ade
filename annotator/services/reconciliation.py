"""What makes a broker that may lose messages good enough: rows say what is due, and this asks for it again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from annotator import tasks
from annotator.models import AlignmentRun, Judge, JudgeShard, JudgeTrial, LeasedWork, WorkStatus
from annotator.services import leases, workers
from annotator.services.queueing import send

if TYPE_CHECKING:
    from celery import Task

WORK: tuple[tuple[type[LeasedWork], Task[[int], None]], ...] = (
    (AlignmentRun, tasks.execute_run),
    (JudgeShard, tasks.execute_shard),
    (JudgeTrial, tasks.execute_trial),
)


def reconcile() -> None:
    """Send again what waits for longer than a message takes, and what a dead worker left.

    No more than could be begun now: behind busy workers the first messages still wait, and doubles would pile up.
    """
    most = max(1, _idle_processes())
    for model, task in WORK:
        send(task, leases.due_again(model)[:most])
    overlooked = timezone.now() - timedelta(seconds=settings.RECONCILE_SECONDS)
    due = Judge.objects.filter(readiness_due_at__lt=overlooked).order_by("readiness_due_at")
    send(tasks.start_run_if_due, due.values_list("pk", flat=True))


def _idle_processes() -> int:
    """How many worker processes hold no job, as far as their leases tell."""
    held = sum(
        model._default_manager.filter(
            status=WorkStatus.RUNNING, lease_until__gte=timezone.now()
        ).count()
        for model, _ in WORK
    )
    return workers.alive().count() * settings.ANNOTATOR_WORKERS - held
