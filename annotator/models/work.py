"""Work that workers do, and the workers. The row is the truth; a broker's message is only a hint to look at it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class WorkStatus(models.TextChoices):
    """Where a piece of work stands."""

    QUEUED = "QUEUED", "Waiting"
    RUNNING = "RUNNING", "Running"
    SUCCEEDED = "SUCCEEDED", "Done"
    FAILED = "FAILED", "Failed"
    CANCELLED = "CANCELLED", "Cancelled"


LIVE = (WorkStatus.QUEUED, WorkStatus.RUNNING)


class LeasedWork(models.Model):
    """A durable job: whoever holds the lease works on it; a lease that runs out frees it for another worker."""

    status = models.CharField(max_length=10, choices=WorkStatus.choices, default=WorkStatus.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error_kind = models.CharField(max_length=40, blank=True)
    error_text = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def is_live(self) -> bool:
        """Whether it still waits or runs."""
        return self.status in LIVE


class Worker(models.Model):
    """A worker node and when it was last heard of."""

    name = models.CharField(max_length=200, unique=True)
    hostname = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"


class WorkerOutage(models.Model):
    """A time in which no worker was there. At most one is not over; admins are told of it once."""

    since = models.DateTimeField()
    is_over = models.BooleanField(default=False)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_over"], condition=models.Q(is_over=False), name="one_worker_outage"
            )
        ]

    def __str__(self) -> str:
        return f"no worker since {self.since} ({self.pk})"
