"""A judge over the traces that come: which share of them, and which."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotator.models.judges import Judge


class NewTraces(models.Model):
    """What a judge judges by itself, as soon as it has come. A share of 0 is none.

    `filter` is in MLflow's filter language. Traces from before `since` are not judged: who wants those starts a job.
    """

    judge = models.OneToOneField(Judge, on_delete=models.CASCADE, related_name="new_traces")
    share = models.FloatField(default=1.0)
    filter = models.TextField(blank=True)
    since = models.DateTimeField(default=timezone.now)
    last_problem = models.CharField(max_length=500, blank=True)
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(share__gte=0, share__lte=1), name="new_traces_share_in_bounds"
            )
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of what comes for judge {self.judge_id} ({self.pk})"

    @property
    def percent(self) -> str:
        """The share as people write it."""
        return f"{self.share * 100:g}"
