"""What a lead decides where people or the judge disagree: the label settled by hand, and why they disagreed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotator.models.feedback import Assessment
from annotator.models.fields import JSONTextField
from annotator.models.judges import GuidelineVersion, Judge
from annotator.models.people import User
from annotator.models.traces import Trace


class Cause(models.TextChoices):
    """Why a judge and people, or people among each other, said different things of a trace."""

    PERSON = "PERSON", "A person was wrong"
    JUDGE = "JUDGE", "The judge was wrong"
    GUIDELINE = "GUIDELINE", "The guideline is unclear"


class SettlementQuerySet(models.QuerySet["Settlement"]):
    """Reads of settlements."""

    def visible_to(self, user: User) -> SettlementQuerySet:
        """Those of judges of the user's teams."""
        return self.filter(judge__experiment__team__in=user.team_roles())

    def in_force(self) -> SettlementQuerySet:
        """Those that were not reopened."""
        return self.filter(reopened_at=None)

    def pinned(self) -> SettlementQuerySet:
        """Those in force that stand in the guideline as examples."""
        return self.in_force().exclude(pinned_at=None)


class Settlement(models.Model):
    """A label decided by a person, whatever the judge's rule; people's answers stay as they are.

    A reopened one is kept: the next decision is a new row. While pinned, its trace is an example in the guideline.
    """

    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="settlements")
    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="settlements")
    value = JSONTextField()
    value_key = models.CharField(max_length=250)
    rationale = models.TextField(blank=True)
    adopted_from = models.ForeignKey(
        Assessment, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    guideline = models.ForeignKey(
        GuidelineVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # The user name stays when the account goes, as on feedback.
    source_id = models.CharField(max_length=250)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    settled_at = models.DateTimeField(default=timezone.now)
    pinned_at = models.DateTimeField(null=True, blank=True)
    pinned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reopened_at = models.DateTimeField(null=True, blank=True)
    reopened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = SettlementQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "trace"],
                condition=Q(reopened_at=None),
                name="one_settlement_in_force_per_trace_and_judge",
            ),
            models.CheckConstraint(
                condition=Q(reopened_at=None) | Q(pinned_at=None),
                name="no_reopened_settlement_is_pinned",
            ),
        ]

    def __str__(self) -> str:
        return f"settlement {self.value_key} of trace {self.trace_id} ({self.pk})"


class DisagreementCauseQuerySet(models.QuerySet["DisagreementCause"]):
    """Reads of causes."""

    def visible_to(self, user: User) -> DisagreementCauseQuerySet:
        """Those of judges of the user's teams."""
        return self.filter(judge__experiment__team__in=user.team_roles())

    def open_gaps(self) -> DisagreementCauseQuerySet:
        """Unclear places of the guideline that no version of it has answered yet."""
        return self.filter(cause=Cause.GUIDELINE, answered_by=None)


class DisagreementCause(models.Model):
    """Why the answers on one trace differ, as a lead sees it. Earlier opinions are in the activity log.

    `situation` says which answers and which verdict it was recorded for: when they change, it counts no more.
    `answered_by` is the version of the guideline that was written because of it.
    """

    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="causes")
    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="causes")
    cause = models.CharField(max_length=10, choices=Cause.choices)
    note = models.TextField(blank=True)
    situation = models.CharField(max_length=64)
    answered_by = models.ForeignKey(
        GuidelineVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="causes"
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    recorded_at = models.DateTimeField(default=timezone.now)

    objects = DisagreementCauseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "trace"], name="one_cause_per_trace_and_judge"
            ),
            models.CheckConstraint(
                condition=Q(cause__in=["PERSON", "JUDGE", "GUIDELINE"]), name="cause_is_known"
            ),
            models.CheckConstraint(
                condition=Q(answered_by=None) | Q(cause="GUIDELINE"),
                name="only_a_gap_is_answered_by_a_guideline",
            ),
        ]
        indexes = [models.Index(fields=["judge", "cause"], name="cause_of_judge")]

    def __str__(self) -> str:
        return f"cause {self.cause} on trace {self.trace_id} ({self.pk})"
