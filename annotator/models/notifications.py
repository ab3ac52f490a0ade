"""What people are told by e-mail, and how each of them wants it; and what else a person may set."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotator.models.fields import JSONTextField
from annotator.models.sessions import FeedbackSession


class NotificationKind(models.TextChoices):
    """What is told. Each can be switched off."""

    SCHEDULED = "SCHEDULED", "A session was planned with you"
    CHANGED = "CHANGED", "A session's time changed, or it was cancelled"
    OPENED = "OPENED", "A session has opened"
    HALF_TIME = "HALF_TIME", "Half the time is over and nothing is done"
    LAST_HOUR = "LAST_HOUR", "The last hour of a session with items left"
    MOVED = "MOVED", "Items were moved to you"
    REMINDER = "REMINDER", "Your lead reminds you"
    SETTLED = "SETTLED", "Your answer was settled differently"
    RUN_FINISHED = "RUN_FINISHED", "An alignment run finished"
    DRIFT = "DRIFT", "A judge may have drifted"
    WORKER_DOWN = "WORKER_DOWN", "No worker is running"


class Timing(models.TextChoices):
    """When a person is told of a kind of things.

    What would come too late with the mail of the day is told at once all the same.
    """

    AT_ONCE = "AT_ONCE", "At once"
    DIGEST = "DIGEST", "With the mail of the day"
    NEVER = "NEVER", "Never"


# Every other kind comes with the mail of the day, for those who have chosen nothing.
USUAL_TIMING = {
    NotificationKind.OPENED: Timing.AT_ONCE,
    NotificationKind.LAST_HOUR: Timing.AT_ONCE,
    NotificationKind.REMINDER: Timing.AT_ONCE,
    NotificationKind.WORKER_DOWN: Timing.AT_ONCE,
    NotificationKind.SETTLED: Timing.NEVER,
}
ADMINS_ONLY = (NotificationKind.WORKER_DOWN,)


class Notification(models.Model):
    """One thing to tell one person once.

    `key` names the event, so that it is told once however often it is looked at. A row is claimed before its e-mail goes
    out and never sent again after: whoever dies in between leaves it CLAIMED. After `until` it means nothing any more and is
    not sent.
    """

    class Status(models.TextChoices):
        WAITING = "WAITING", "Waiting"
        CLAIMED = "CLAIMED", "Being sent"
        SENT = "SENT", "Sent"
        UNWANTED = "UNWANTED", "Switched off by the person"
        NO_ADDRESS = "NO_ADDRESS", "The person has no e-mail address"
        FAILED = "FAILED", "Could not be sent"
        OUTDATED = "OUTDATED", "Not needed any more"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    kind = models.CharField(max_length=12, choices=NotificationKind.choices)
    key = models.CharField(max_length=200, unique=True)
    session = models.ForeignKey(
        FeedbackSession,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
    )
    subject = models.CharField(max_length=200)
    sentence = models.CharField(max_length=500)
    button = models.CharField(max_length=60)
    path = models.CharField(max_length=300)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    problem = models.CharField(max_length=500, blank=True)
    at_once = models.BooleanField(default=True)
    due_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(status="WAITING"), name="notification_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.pk})"


class Preferences(models.Model):
    """What a person has set: when and of what to be told, and which key does what.

    `timing` maps a kind of notification to a `Timing`, for those that the person has chosen; `keys` an action's name to the
    key that does it, for those that the person has changed.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    time_zone = models.CharField(max_length=60, default="UTC")
    quiet_from = models.TimeField(default=time(20, 0))
    quiet_until = models.TimeField(default=time(7, 0))
    digest_at = models.TimeField(default=time(8, 0))
    timing = JSONTextField(default=dict, blank=True)
    keys = JSONTextField(default=dict, blank=True)
    letter_keys = models.BooleanField(default=True)
    auto_advance = models.BooleanField(default=True)
    auto_submit = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"preferences of {self.user_id} ({self.pk})"

    @property
    def zone(self) -> ZoneInfo:
        """The person's time zone."""
        return ZoneInfo(self.time_zone)

    def timing_of(self, kind: str) -> Timing:
        """When the person is told of things of that kind."""
        usual = USUAL_TIMING.get(NotificationKind(kind), Timing.DIGEST)
        return Timing(self.timing.get(kind, usual))
