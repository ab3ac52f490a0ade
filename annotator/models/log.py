"""The activity log: append-only."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from annotator.models.fields import JSONTextField
from annotator.models.people import Team, User


class ActivityLogQuerySet(models.QuerySet["ActivityLog"]):
    """Reads of the log."""

    def visible_to(self, user: User) -> ActivityLogQuerySet:
        """What happened in the user's teams."""
        return self.filter(team__in=user.team_roles())


class ActivityLog(models.Model):
    """Who did what, when, to what, and what it was before and after. No actor means the system itself."""

    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    action = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=40)
    target_id = models.CharField(max_length=200)
    target_name = models.CharField(max_length=300, blank=True)
    before = JSONTextField(null=True, blank=True)
    after = JSONTextField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ActivityLogQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["team", "-created_at", "-id"], name="log_newest_in_team")]

    def __str__(self) -> str:
        return f"{self.action} {self.target_kind} {self.target_id} ({self.pk})"
