"""What people and judges said of traces, and the label that comes of it."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone

from annotator.models.fields import JSONTextField
from annotator.models.judges import GuidelineVersion, Judge, JudgeVersion
from annotator.models.traces import Trace
from judges import entities
from judges.values import Value

SERVED_BY_LENGTH = 200


def new_assessment_id() -> str:
    """An identifier in MLflow's form."""
    return f"a-{uuid.uuid4().hex}"


class Kind(models.TextChoices):
    """MLflow's two kinds of assessment."""

    FEEDBACK = "FEEDBACK", "Feedback"
    EXPECTATION = "EXPECTATION", "Expectation"


class Source(models.TextChoices):
    """Who made an assessment, in MLflow's words."""

    HUMAN = "HUMAN", "Person"
    LLM_JUDGE = "LLM_JUDGE", "Judge"
    CODE = "CODE", "Program"


class Visibility(models.TextChoices):
    """What of the judge's verdict a person saw before answering."""

    BLIND = "BLIND", "Verdict hidden"
    REVEALED = "REVEALED", "Verdict shown after the first answer"
    OPEN = "OPEN", "Verdict shown"


class _ToCompareOnly(Func):
    """A column that rows are compared by once they are found: SQLite would go through all traces of the experiment."""

    output_field = models.BigIntegerField()
    template = "%(expressions)s"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """With a sign before it, SQLite looks in none of the column's indexes."""
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


class AssessmentQuerySet(models.QuerySet["Assessment"]):
    """Reads of assessments."""

    def valid(self) -> AssessmentQuerySet:
        """Feedback and expectations that were neither corrected nor withdrawn."""
        return self.filter(valid=True)

    def human(self) -> AssessmentQuerySet:
        """Valid feedback by people."""
        return self.filter(valid=True, kind=Kind.FEEDBACK, source_type=Source.HUMAN)

    def verdicts(self) -> AssessmentQuerySet:
        """Valid feedback by judges."""
        return self.filter(valid=True, kind=Kind.FEEDBACK, source_type=Source.LLM_JUDGE)

    def for_judge(self, judge: Judge) -> AssessmentQuerySet:
        """What bears the judge's name, on traces of its experiment."""
        rows = self.alias(of_experiment=_ToCompareOnly(F("trace__experiment_id")))
        return rows.filter(name=judge.name, of_experiment=judge.experiment_id)


class Assessment(models.Model):
    """One table for verdicts and human feedback, as in MLflow."""

    assessment_id = models.CharField(max_length=64, unique=True, default=new_assessment_id)
    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="assessments")
    span_id = models.CharField(max_length=64, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.FEEDBACK)
    name = models.CharField(max_length=250)
    source_type = models.CharField(max_length=10, choices=Source.choices)
    source_id = models.CharField(max_length=250)
    value = JSONTextField(null=True, blank=True)
    # The canonical text of the value (`judges.values.value_key`), for comparing and filtering in SQL.
    value_key = models.CharField(max_length=250, blank=True)
    declined_reason = models.CharField(max_length=500, blank=True)
    rationale = models.TextField(blank=True)
    error_kind = models.CharField(max_length=60, blank=True)
    error_text = models.TextField(blank=True)
    error_stack = models.TextField(blank=True)
    # Whether a program sent an expectation as the text of its JSON; it is given back in the form it came in.
    is_serialized = models.BooleanField(default=False)
    valid = models.BooleanField(default=True)
    overrides = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="overridden_by"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="assessments",
    )
    judge_version = models.ForeignKey(
        JudgeVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="verdicts"
    )
    guideline = models.ForeignKey(
        GuidelineVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    visibility = models.CharField(max_length=10, choices=Visibility.choices, blank=True)
    # The place in a session that it was given in.
    assignment = models.ForeignKey(
        "Assignment",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="assessments",
    )
    # Made by whoever submits it, so that sending it again is not answering again.
    submission_id = models.CharField(max_length=64, null=True, blank=True, unique=True)
    # What the person said before the verdict was shown; figures of agreement go by it.
    first_answer = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="second_answers"
    )
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost = models.FloatField(null=True, blank=True)
    # What the provider said had answered: a change under the same name is a reason to look again.
    served_by = models.CharField(max_length=SERVED_BY_LENGTH, blank=True)
    metadata = JSONTextField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = AssessmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["trace", "span_id", "name", "source_id"],
                condition=Q(valid=True, kind="FEEDBACK", source_type="HUMAN"),
                name="one_valid_feedback_per_person",
            ),
            models.UniqueConstraint(
                fields=["trace", "span_id", "judge_version"],
                condition=Q(valid=True, judge_version__isnull=False),
                name="one_valid_verdict_per_version",
            ),
        ]
        indexes = [
            models.Index(fields=["trace", "name"], name="assessment_of_trace"),
            models.Index(
                fields=["name", "kind", "value_key", "trace"],
                condition=Q(valid=True),
                name="assessment_by_text",
            ),
            models.Index(
                fields=["name", "source_type", "value_key", "judge_version", "trace"],
                condition=Q(valid=True, kind="FEEDBACK", span_id=""),
                name="assessment_by_value",
            ),
            models.Index(
                fields=["name", "trace"],
                condition=Q(valid=False, kind="FEEDBACK", source_type="HUMAN", span_id=""),
                name="answer_out_of_force",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} by {self.source_id} ({self.pk})"

    @property
    def is_vote(self) -> bool:
        """Whether it is a person's answer that may teach: valid, on the whole trace, with a value."""
        return (
            self.valid
            and self.kind == Kind.FEEDBACK
            and self.source_type == Source.HUMAN
            and not self.span_id
            and not self.declined_reason
            and not self.error_text
            and self.value is not None
        )

    def to_domain(self) -> entities.Feedback | entities.Expectation:
        """The assessment as judges and optimizers know it."""
        source = entities.AssessmentSource(
            source_type=entities.SourceType(self.source_type), source_id=self.source_id
        )
        if self.kind == Kind.EXPECTATION:
            return entities.Expectation(name=self.name, value=self.value, source=source)
        return entities.Feedback(
            name=self.name,
            value=self.value,
            rationale=self.rationale,
            source=source,
            error=self.error_text or self.declined_reason,
            span_id=self.span_id,
            valid=self.valid,
        )


class Label(models.Model):
    """The one human answer on a trace that teaches a judge. A tie has none."""

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="labels")
    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="labels")
    value: Value | Any = JSONTextField()
    value_key = models.CharField(max_length=250)
    rule = models.CharField(max_length=12)
    votes = JSONTextField(default=dict)
    settled_by = models.CharField(max_length=500, blank=True)
    settled_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace", "judge"], name="one_label_per_trace_and_judge")
        ]
        indexes = [models.Index(fields=["judge", "value_key", "trace"], name="label_by_value")]

    def __str__(self) -> str:
        return f"label {self.value_key} of trace {self.trace_id} ({self.pk})"
