"""What is reviewed in a feedback session: its items, each reviewer's part of them, and the hold on an open one."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from annotator.models.fields import JSONTextField
from annotator.models.people import User
from annotator.models.sessions import ANNOUNCED, FeedbackSession, Reviewer
from annotator.models.traces import Trace

# Stands in the drafts of an item to practise on beside an answer that was given: such answers are stored nowhere else.
PRACTISED = "practised"


class ItemQuerySet(models.QuerySet["Item"]):
    """Reads of items."""

    def with_free_place(self, *, now: datetime) -> ItemQuerySet:
        """Those that want one more answer than people give or are about to give; who went silent is not."""
        return self.annotate(taken=_taken(OuterRef("pk"), silent_since=now)).filter(
            taken__lt=F("wanted")
        )


def _taken(item: OuterRef, *, silent_since: datetime | None = None) -> Coalesce:
    places = Assignment.objects.taking_a_place().filter(item=item).order_by().values("item")
    if silent_since is not None:
        places = places.exclude(state__in=WAITING, lease_until__lt=silent_since)
    return Coalesce(Subquery(places.annotate(many=Count("pk")).values("many")), 0)


class Item(models.Model):
    """A trace in a session.

    `wanted` is how many answers it is to get. `probability` is the chance with which the sampler took it (1 when somebody
    chose it by hand), `stratum` the group it was taken from.
    """

    session = models.ForeignKey(FeedbackSession, on_delete=models.CASCADE, related_name="items")
    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="session_items")
    position = models.PositiveIntegerField(default=0)
    stratum = models.CharField(max_length=200, blank=True)
    probability = models.FloatField(default=1.0)
    wanted = models.PositiveSmallIntegerField(default=1)
    is_shared = models.BooleanField(default=False)
    is_warm_up = models.BooleanField(default=False)
    has_third_opinion = models.BooleanField(default=False)

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["session", "trace"], name="trace_once_in_session"),
            models.CheckConstraint(
                condition=Q(probability__gt=0, probability__lte=1),
                name="item_probability_in_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"trace {self.trace_id} in session {self.session_id} ({self.pk})"


class AssignmentState(models.TextChoices):
    """Where one reviewer stands with one item."""

    TODO = "TODO", "To do"
    DRAFT = "DRAFT", "Draft"
    DONE = "DONE", "Done"
    SKIPPED = "SKIPPED", "Skipped"
    FLAGGED = "FLAGGED", "Flagged"


WAITING = (AssignmentState.TODO, AssignmentState.DRAFT)


class SkipReason(models.TextChoices):
    """Why a reviewer left an item out; keys 1 to 5."""

    NOT_MY_FIELD = "NOT_MY_FIELD", "Not my field"
    NOT_ENOUGH = "NOT_ENOUGH", "Not enough information"
    UNCLEAR = "UNCLEAR", "The guideline does not cover it"
    CANNOT_DISPLAY = "CANNOT_DISPLAY", "Cannot be displayed"
    OTHER = "OTHER", "Another reason"


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Reads of assignments."""

    def of(self, user: User) -> AssignmentQuerySet:
        """The user's own, in sessions that the user still reviews in."""
        return self.filter(reviewer__user=user, reviewer__removed_at=None)

    def announced_to(self, user: User) -> AssignmentQuerySet:
        """Those in announced sessions of the user's teams."""
        return self.filter(
            item__session__status__in=ANNOUNCED,
            item__session__experiment__team__in=list(user.team_roles()),
        )

    def taking_a_place(self) -> AssignmentQuerySet:
        """Those that count towards what an item wants: answered ones, and waiting ones that were not given back."""
        return self.filter(
            Q(state=AssignmentState.DONE, is_extra=False)
            | Q(state__in=WAITING, given_back_at=None, reviewer__removed_at=None)
        )

    def open_to_answer(self) -> AssignmentQuerySet:
        """Waiting ones whose place is theirs, or was given back and is still free."""
        is_free = Q(given_back_at=None) | Q(item__is_shared=True) | Q(item__is_warm_up=True)
        return self.filter(state__in=WAITING).filter(
            is_free | Q(pk__in=self._given_back_and_free().values("pk"))
        )

    def _given_back_and_free(self) -> AssignmentQuerySet:
        rows = Assignment.objects.filter(state__in=WAITING, given_back_at__isnull=False)
        return rows.annotate(taken=_taken(OuterRef("item"))).filter(taken__lt=F("item__wanted"))

    def held(self, now: datetime) -> AssignmentQuerySet:
        """Those that somebody has open."""
        return self.filter(state__in=WAITING, lease_until__gte=now)


class Assignment(models.Model):
    """One reviewer's answer-to-be on one item, with the hold on it while it is open.

    The hold ends at `lease_until` unless a heartbeat prolongs it. What was held and went silent is given back: it stays in
    its reviewer's batch, but somebody else may take the place. `drafts` holds per judge (by pk, as text) what was typed and
    not submitted.
    """

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="assignments")
    reviewer = models.ForeignKey(Reviewer, on_delete=models.CASCADE, related_name="assignments")
    position = models.PositiveIntegerField(default=0)
    state = models.CharField(
        max_length=8, choices=AssignmentState.choices, default=AssignmentState.TODO
    )
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    given_back_at = models.DateTimeField(null=True, blank=True)
    drafts = JSONTextField(default=dict, blank=True)
    drafted_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    active_seconds = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=16, blank=True)
    reason_text = models.CharField(max_length=500, blank=True)
    is_extra = models.BooleanField(default=False)
    is_third_opinion = models.BooleanField(default=False)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["item", "reviewer"], name="item_once_per_reviewer"),
            models.CheckConstraint(
                condition=Q(submitted_at__isnull=False) | ~Q(state="DONE"),
                name="done_assignment_was_submitted",
            ),
        ]
        indexes = [
            models.Index(fields=["reviewer", "position"], name="assignment_batch"),
            models.Index(
                fields=["lease_until"],
                condition=Q(lease_until__isnull=False),
                name="assignment_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"item {self.item_id} for reviewer {self.reviewer_id} ({self.pk})"

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return self.state in WAITING

    def has_practised(self, judge: int) -> bool:
        """Whether an item to practise on was answered under the judge's name (by pk)."""
        return PRACTISED in self.drafts.get(str(judge), {})
