"""Feedback sessions: what a lead plans, for whom, and the rules that plan one again and again."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import cached_property

from annotator.models.feedback import Visibility
from annotator.models.fields import JSONTextField
from annotator.models.judges import GuidelineVersion, Judge
from annotator.models.people import Role, User
from annotator.models.traces import Experiment

MOST_OVERLAP = 10


class Goal(models.TextChoices):
    """What a session is for."""

    BALANCE = "BALANCE", "Balance the feedback of a judge"
    CALIBRATE = "CALIBRATE", "Calibrate the reviewers"
    DRIFT = "DRIFT", "Check for drift"
    SETTLE = "SETTLE", "Settle disagreements"
    FREE = "FREE", "Free"


class SessionStatus(models.TextChoices):
    """Where a session stands; the scheduler moves it on from SCHEDULED to CLOSED."""

    DRAFT = "DRAFT", "Draft"
    SCHEDULED = "SCHEDULED", "Scheduled"
    OPEN = "OPEN", "Open"
    GRACE = "GRACE", "In extra time"
    CLOSED = "CLOSED", "Closed"
    SETTLED = "SETTLED", "Settled"
    CANCELLED = "CANCELLED", "Cancelled"


# What a version of a judge carries for judging.
_JUDGING = ("instructions", "demonstrations", "memory_data", "calibration_data", "serialized")

# Reviewers can answer.
RUNNING = (SessionStatus.OPEN, SessionStatus.GRACE)
# Reviewers know of it.
ANNOUNCED = (
    SessionStatus.SCHEDULED,
    SessionStatus.OPEN,
    SessionStatus.GRACE,
    SessionStatus.CLOSED,
    SessionStatus.SETTLED,
)


class RationaleRule(models.TextChoices):
    """When a reviewer must give a reason."""

    NEVER = "NEVER", "Never"
    ON_DISAGREEMENT = "ON_DISAGREEMENT", "When the answer differs from the judge's verdict"
    ALWAYS = "ALWAYS", "Always"


class ItemOrder(models.TextChoices):
    """The order of a batch; the shared items always come first."""

    SHUFFLED = "SHUFFLED", "Shuffled for each reviewer"
    OLDEST = "OLDEST", "Oldest first"
    NEWEST = "NEWEST", "Newest first"


class FeedbackSessionQuerySet(models.QuerySet["FeedbackSession"]):
    """Reads of sessions."""

    def visible_to(self, user: User) -> FeedbackSessionQuerySet:
        """Those of teams that the user leads, and those announced ones that the user reviews in."""
        led = [team for team in user.team_roles() if user.has_role(team, Role.LEAD)]
        reviewed = Reviewer.objects.filter(user=user, removed_at=None).values("session")
        return self.filter(
            Q(experiment__team__in=led)
            | Q(pk__in=reviewed, status__in=ANNOUNCED, experiment__team__in=list(user.team_roles()))
        )

    def led_by(self, user: User) -> FeedbackSessionQuerySet:
        """Those of teams that the user leads."""
        led = [team for team in user.team_roles() if user.has_role(team, Role.LEAD)]
        return self.filter(experiment__team__in=led)

    def reviewed_by(self, user: User) -> FeedbackSessionQuerySet:
        """Those announced ones that the user reviews in, whatever the user may be besides."""
        return self.filter(
            pk__in=Reviewer.objects.filter(user=user, removed_at=None).values("session"),
            status__in=ANNOUNCED,
            experiment__team__in=list(user.team_roles()),
        )

    def running(self) -> FeedbackSessionQuerySet:
        """Those in which reviewers can answer."""
        return self.filter(status__in=RUNNING)


class FeedbackSession(models.Model):
    """A time in which certain people review certain traces under certain judges' names.

    `closes_at` ends the window; for `grace_minutes` more, what is left can still be done. The seed makes the sample, the
    hand-out and the order of the batches repeatable.
    """

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="sessions")
    name = models.CharField(max_length=200)
    note = models.TextField(blank=True)
    goal = models.CharField(max_length=10, choices=Goal.choices, default=Goal.FREE)
    status = models.CharField(
        max_length=10, choices=SessionStatus.choices, default=SessionStatus.DRAFT
    )
    per_reviewer = models.PositiveIntegerField(default=12)
    overlap = models.PositiveSmallIntegerField(default=1)
    shared_items = models.PositiveIntegerField(default=3)
    warm_up_items = models.PositiveIntegerField(default=0)
    third_opinion = models.BooleanField(default=False)
    visibility = models.CharField(
        max_length=10, choices=Visibility.choices, default=Visibility.BLIND
    )
    rationale_rule = models.CharField(
        max_length=16, choices=RationaleRule.choices, default=RationaleRule.NEVER
    )
    item_order = models.CharField(
        max_length=10, choices=ItemOrder.choices, default=ItemOrder.SHUFFLED
    )
    opens_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True)
    grace_minutes = models.PositiveIntegerField(default=0)
    time_zone = models.CharField(max_length=60, default="UTC")
    reminders = models.BooleanField(default=True)
    take_more = models.BooleanField(default=False)
    seed = models.PositiveBigIntegerField(default=0)
    # How the items were chosen: what the sampler was told and the size of each stratum, for weighing the sample later.
    selection = JSONTextField(default=dict, blank=True)
    # Rises when the window or the place in it changes, so that calendars take the newer entry.
    revision = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    copied_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="copies"
    )
    rule = models.ForeignKey(
        "StandingRule", on_delete=models.SET_NULL, null=True, blank=True, related_name="sessions"
    )
    created_at = models.DateTimeField(default=timezone.now)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = FeedbackSessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(overlap__gte=1, overlap__lte=MOST_OVERLAP),
                name="session_overlap_in_bounds",
            ),
            models.CheckConstraint(
                condition=Q(per_reviewer__gte=1), name="session_batch_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(opens_at=None) | Q(closes_at=None) | Q(closes_at__gt=F("opens_at")),
                name="session_closes_after_it_opens",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["DRAFT", "CANCELLED"])
                | Q(opens_at__isnull=False, closes_at__isnull=False),
                name="session_has_window_unless_draft",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "opens_at"], name="session_by_status"),
            models.Index(fields=["experiment", "-created_at"], name="session_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def is_running(self) -> bool:
        """Whether reviewers can answer now."""
        return self.status in RUNNING

    @cached_property
    def asked(self) -> list[SessionJudge]:
        """The judges it asks for, with all that an answer needs of them; read once for this object."""
        asked = self.session_judges.select_related("judge__current_version", "guideline")
        # That can be big, and no answer looks at it.
        asked = asked.defer(*(f"judge__current_version__{name}" for name in _JUDGING))
        found = list(asked)
        for each in found:
            each.judge.experiment = self.experiment
        return found

    @property
    def ends_at(self) -> datetime | None:
        """When the extra time is over; None while no window is set."""
        return self.closes_at and self.closes_at + timedelta(minutes=self.grace_minutes)

    def closes_for(self, own_end: datetime | None) -> datetime | None:
        """When the window ends for a reviewer with that end of their own."""
        return max(filter(None, (self.closes_at, own_end)), default=None)

    def ends_for(self, own_end: datetime | None) -> datetime | None:
        """When a reviewer with that end of their own can answer no more."""
        return max(filter(None, (self.ends_at, own_end)), default=None)

    def is_running_for(self, own_end: datetime | None, now: datetime) -> bool:
        """Whether a reviewer with that end of their own can answer now.

        Somebody else's longer time keeps a session in its extra time; for the others it is over.
        """
        if self.status != SessionStatus.GRACE:
            return self.is_running
        ends_at = self.ends_for(own_end)
        return ends_at is None or now < ends_at

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that its window is told in."""
        return ZoneInfo(self.time_zone)


class SessionJudge(models.Model):
    """A judge under whose name a session asks, in order, with the guideline that holds in it."""

    session = models.ForeignKey(
        FeedbackSession, on_delete=models.CASCADE, related_name="session_judges"
    )
    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="session_judges")
    position = models.PositiveSmallIntegerField(default=0)
    guideline = models.ForeignKey(
        GuidelineVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["session", "judge"], name="judge_once_in_session")
        ]

    def __str__(self) -> str:
        return f"judge {self.judge_id} of session {self.session_id} ({self.pk})"


class Reviewer(models.Model):
    """Somebody who reviews in a session. Who was taken out keeps what was done, and sees the session no more.

    `closes_at` is the end for somebody who was given more time than the session; one before the session's end means nothing.
    """

    session = models.ForeignKey(FeedbackSession, on_delete=models.CASCADE, related_name="reviewers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reviews"
    )
    # How many items this person gets; None takes the session's `per_reviewer`.
    room = models.PositiveIntegerField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "user"], name="reviewer_once_in_session")
        ]

    def __str__(self) -> str:
        return f"{self.user} in session {self.session_id} ({self.pk})"


class StandingRule(models.Model):
    """Makes a session from time to time, filled with traces that came since: the template's settings and people."""

    template = models.ForeignKey(
        FeedbackSession, on_delete=models.CASCADE, related_name="standing_rules"
    )
    items = models.PositiveIntegerField(default=20)
    random_share = models.FloatField(default=1.0)
    every_days = models.PositiveIntegerField(default=7)
    window_hours = models.PositiveIntegerField(default=72)
    next_at = models.DateTimeField()
    # Traces that came before were offered to an earlier session.
    since = models.DateTimeField(default=timezone.now)
    is_active = models.BooleanField(default=True)
    last_problem = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["template"], name="one_rule_per_template"),
            models.CheckConstraint(
                condition=Q(random_share__gt=0, random_share__lte=1),
                name="rule_random_share_in_bounds",
            ),
            models.CheckConstraint(
                condition=Q(every_days__gte=1, items__gte=1, window_hours__gte=1),
                name="rule_numbers_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"rule of session {self.template_id} every {self.every_days} days ({self.pk})"
