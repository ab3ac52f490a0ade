"""What workers do for judges: alignment runs, and a judge over many traces."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotator.models.fields import JSONTextField
from annotator.models.judges import Judge, JudgeVersion
from annotator.models.people import User
from annotator.models.work import LIVE, LeasedWork


class AlignmentRunQuerySet(models.QuerySet["AlignmentRun"]):
    """Reads of runs."""

    def visible_to(self, user: User) -> AlignmentRunQuerySet:
        """Those of judges of the user's teams."""
        return self.filter(
            judge__experiment__team__in=user.team_roles(),
            judge__experiment__deleted_at__isnull=True,
        )

    def live(self) -> AlignmentRunQuerySet:
        """Waiting or running."""
        return self.filter(status__in=LIVE)


class AlignmentRun(LeasedWork):
    """One attempt to make a judge agree better, with all that is needed to repeat it and to trust it."""

    class Trigger(models.TextChoices):
        AUTOMATIC = "AUTOMATIC", "By itself"
        MANUAL = "MANUAL", "By hand"
        REPEAT = "REPEAT", "Repeated, to check an earlier one"

    class Outcome(models.TextChoices):
        """What the gate said."""

        PROMOTE = "PROMOTE", "Decisively better"
        CANDIDATE = "CANDIDATE", "Better, not decisive"
        REJECT = "REJECT", "Not better"

    class Decision(models.TextChoices):
        """What became of the candidate."""

        OPEN = "OPEN", "Awaits an admin"
        PROMOTED = "PROMOTED", "Promoted"
        REJECTED = "REJECTED", "Rejected"

    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    version_in = models.ForeignKey(JudgeVersion, on_delete=models.PROTECT, related_name="+")
    candidate = models.ForeignKey(
        JudgeVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="candidate_of"
    )
    optimizer = models.CharField(max_length=200)
    optimizer_version = models.CharField(max_length=40, blank=True)
    params = JSONTextField(default=dict)
    model = models.CharField(max_length=200, blank=True)
    seed = models.IntegerField(default=0)
    policy = JSONTextField(default=dict)
    # What else decides the result, as it was at the start: sides, costs, and which traces earlier runs used for what.
    setup = JSONTextField(default=dict)
    repeat_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="repeats"
    )
    labels_fingerprint = models.CharField(max_length=64)
    examples = JSONTextField(default=list)
    excluded = JSONTextField(default=list)
    split = JSONTextField(default=dict)
    stages = JSONTextField(default=list)
    steps = JSONTextField(default=list)
    log_lines = JSONTextField(default=list)
    calls_expected = models.PositiveIntegerField(null=True, blank=True)
    calls = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost = models.FloatField(null=True, blank=True)
    figures = JSONTextField(default=dict)
    items = JSONTextField(default=list)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    outcome_reason = models.TextField(blank=True)
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    decision_reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = AlignmentRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge"],
                condition=Q(status__in=["QUEUED", "RUNNING"]),
                name="one_live_run_per_judge",
            ),
            models.UniqueConstraint(
                fields=["judge", "labels_fingerprint"],
                condition=Q(trigger="AUTOMATIC"),
                name="one_automatic_run_per_set_of_labels",
            ),
        ]
        indexes = [models.Index(fields=["status", "lease_until"], name="run_due")]

    def __str__(self) -> str:
        return f"run {self.pk} of judge {self.judge_id}"


class RunAnswer(models.Model):
    """A model's answer in a run, kept so that a run taken up again pays for no call twice."""

    run = models.ForeignKey(AlignmentRun, on_delete=models.CASCADE, related_name="answers")
    key = models.CharField(max_length=64)
    reply = JSONTextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="one_answer_per_call_of_run")
        ]

    def __str__(self) -> str:
        return f"answer {self.key[:8]} of run {self.run_id} ({self.pk})"


class JudgeJobQuerySet(models.QuerySet["JudgeJob"]):
    """Reads of jobs."""

    def visible_to(self, user: User) -> JudgeJobQuerySet:
        """Those of judges of the user's teams."""
        return self.filter(
            version__judge__experiment__team__in=user.team_roles(),
            version__judge__experiment__deleted_at__isnull=True,
        )


class JudgeJob(models.Model):
    """A judge over many traces. Its work lies in shards, so that several worker processes share it."""

    version = models.ForeignKey(JudgeVersion, on_delete=models.PROTECT, related_name="jobs")
    selection = models.CharField(max_length=500, blank=True)
    total = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = JudgeJobQuerySet.as_manager()

    def __str__(self) -> str:
        return f"job {self.pk} with version {self.version_id}"


class JudgeShard(LeasedWork):
    """A part of a job: the traces that one worker process judges."""

    job = models.ForeignKey(JudgeJob, on_delete=models.CASCADE, related_name="shards")
    trace_pks = JSONTextField(default=list)
    done = models.PositiveIntegerField(default=0)
    failures = JSONTextField(default=list)
    calls = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost = models.FloatField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["status", "lease_until"], name="shard_due")]

    def __str__(self) -> str:
        return f"shard {self.pk} of job {self.job_id}"


class JudgeTrial(LeasedWork):
    """A judge tried on a few traces before it is saved: nothing of it is logged on the traces."""

    judge = models.ForeignKey(
        Judge, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    definition = JSONTextField()
    trace_pks = JSONTextField(default=list)
    results = JSONTextField(default=list)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )

    def __str__(self) -> str:
        return f"trial {self.pk}"
