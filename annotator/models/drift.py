"""Alarms about judges that may not agree with the experts any more."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from annotator.models.fields import JSONTextField
from annotator.models.judges import Judge, JudgeVersion
from annotator.models.people import User


class DriftAlarmQuerySet(models.QuerySet["DriftAlarm"]):
    """Reads of alarms."""

    def visible_to(self, user: User) -> DriftAlarmQuerySet:
        """Those about judges of the user's teams."""
        return self.filter(judge__experiment__team__in=user.team_roles())

    def ringing(self) -> DriftAlarmQuerySet:
        """Neither answered by a person nor over by itself."""
        return self.filter(ended_at=None)


class DriftAlarm(models.Model):
    """One reason to look at a judge again. `evidence` names what it was seen in: the same is never told twice."""

    class Kind(models.TextChoices):
        BELOW_FLOOR = "BELOW_FLOOR", "Agreement below the floor"
        OUT_OF_CONTROL = "OUT_OF_CONTROL", "Agreement out of control"
        MODEL_CHANGED = "MODEL_CHANGED", "Model changed"
        MIX_SHIFTED = "MIX_SHIFTED", "Mix of verdicts shifted"

    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="drift_alarms")
    version = models.ForeignKey(JudgeVersion, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=14, choices=Kind.choices)
    evidence = models.CharField(max_length=300)
    text = models.CharField(max_length=500)
    figures = JSONTextField(default=dict, blank=True)
    raised_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    end_reason = models.CharField(max_length=500, blank=True)

    objects = DriftAlarmQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "kind", "evidence"], name="one_alarm_per_evidence"
            )
        ]
        indexes = [models.Index(fields=["judge", "ended_at"], name="drift_alarm_ringing")]

    def __str__(self) -> str:
        return f"{self.kind} of judge {self.judge_id} ({self.pk})"
