"""Experiments, traces and their spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotator.models.fields import JSONTextField
from annotator.models.people import Team, User
from judges import entities

if TYPE_CHECKING:
    from annotator.models.feedback import Assessment

PREVIEW_LENGTH = 200
TRACE_NAME = "mlflow.traceName"


class ExperimentQuerySet(models.QuerySet["Experiment"]):
    """Reads of experiments."""

    def visible_to(self, user: User) -> ExperimentQuerySet:
        """Those of the user's teams that nobody has deleted."""
        return self.filter(team__in=user.team_roles(), deleted_at=None)


class Experiment(models.Model):
    """A folder of traces, and of the judges that grade them.

    A deleted one is only hidden: it keeps its name and all that is in it, and can be restored. Each team has at most
    one default experiment, where programs write that name none.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="experiments")
    name = models.CharField(max_length=250)
    is_default = models.BooleanField(default=False)
    artifact_location = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ExperimentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="experiment_name_unique_in_team"),
            models.UniqueConstraint(
                fields=["team"], condition=Q(is_default=True), name="one_default_experiment_a_team"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def wire_id(self) -> str:
        """Its id as programs know it, decimal; "0" is the team's default experiment."""
        return "0" if self.is_default else str(self.pk)


class ExperimentTag(models.Model):
    """A key and a value that a program has attached to an experiment."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="tags")
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "key"], name="tag_key_unique_in_experiment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} of experiment {self.experiment_id} ({self.pk})"


class TraceState(models.TextChoices):
    """MLflow's states."""

    OK = "OK", "OK"
    ERROR = "ERROR", "Error"
    IN_PROGRESS = "IN_PROGRESS", "In progress"
    STATE_UNSPECIFIED = "STATE_UNSPECIFIED", "Unknown"


class TraceQuerySet(models.QuerySet["Trace"]):
    """Reads of traces."""

    def visible_to(self, user: User) -> TraceQuerySet:
        """Those in experiments of the user's teams that nobody has deleted."""
        return self.filter(
            experiment__team__in=user.team_roles(), experiment__deleted_at__isnull=True
        )

    def newest_first(self) -> TraceQuerySet:
        """The order of every list; (requested_at, pk) is also the key of its pages."""
        return self.order_by("-requested_at", "-pk")

    def without_content(self) -> TraceQuerySet:
        """For lists, which show the previews only."""
        return self.defer(
            *("inputs", "outputs", "metadata", "search_text", "guessed"),
            *("sent_request_preview", "sent_response_preview"),
        )


class Trace(models.Model):
    """One recorded run of an application.

    A trace comes in parts, in any order: spans, and what its client says of the whole (`started` once that is here).

    Attributes:
        has_spans: Whether any span is stored.
        sent_request_preview: The client's own preview, "" when it sent none; `request_preview` is the one for lists.
        sent_response_preview: The same of the response.
        guessed: What spans let us assume of the whole, and by which span; see `services/span_facts.py`.
    """

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="traces")
    trace_id = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=20, choices=TraceState.choices, default=TraceState.OK)
    requested_at = models.DateTimeField(default=timezone.now)
    duration_ms = models.BigIntegerField(null=True, blank=True)
    inputs = JSONTextField(null=True, blank=True)
    outputs = JSONTextField(null=True, blank=True)
    request_preview = models.CharField(max_length=1000, blank=True)
    response_preview = models.CharField(max_length=1000, blank=True)
    tags = JSONTextField(default=dict, blank=True)
    metadata = JSONTextField(default=dict, blank=True)
    conversation_id = models.CharField(max_length=250, blank=True)
    client_request_id = models.CharField(max_length=250, blank=True)
    started = models.BooleanField(default=False)
    has_spans = models.BooleanField(default=False)
    sent_request_preview = models.CharField(max_length=1000, blank=True)
    sent_response_preview = models.CharField(max_length=1000, blank=True)
    guessed = JSONTextField(default=dict, blank=True)
    search_text = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TraceQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["experiment", "-requested_at", "-id"], name="trace_newest_in_experiment"
            ),
            models.Index(fields=["-requested_at", "-id"], name="trace_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.trace_id} ({self.pk})"

    def to_domain(
        self, *, assessments: list[Assessment] | None = None, spans: bool = False
    ) -> entities.Trace:
        """The trace as judges know it; with its spans, and with the assessments given, if asked for."""
        return entities.Trace(
            trace_id=self.trace_id,
            inputs=self.inputs,
            outputs=self.outputs,
            spans=tuple(span.to_domain() for span in self.spans.order_by("start_ns", "pk"))
            if spans
            else (),
            assessments=tuple(assessment.to_domain() for assessment in assessments or ()),
            tags=self.tags,
            metadata=self.metadata,
        )

    @property
    def tags_for_people(self) -> dict[str, Any]:
        """The tags without those that only programs understand; what the trace is called goes by its plain name."""
        named = {"name": self.tags[TRACE_NAME]} if self.tags.get(TRACE_NAME) else {}
        own = {key: value for key, value in self.tags.items() if not key.startswith("mlflow.")}
        return named | own

    @property
    def can_be_read_here(self) -> bool:
        """Whether its steps can be read here; not while only its client's description of the whole has come."""
        return self.has_spans or not self.started

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat turns, the last reply included; empty when the trace is no chat."""
        return entities.conversation_of(self.inputs, self.outputs)


class TraceFact(models.Model):
    """One tag or one piece of metadata of a trace, in a row of its own so that traces can be found by it.

    `Trace.tags` and `Trace.metadata` hold the same and are what is read; `value_start` is the indexed beginning.
    """

    class Kind(models.TextChoices):
        TAG = "TAG", "Tag"
        METADATA = "METADATA", "Metadata"

    VALUE_START = 100

    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="facts", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    key = models.CharField(max_length=250)
    value = models.TextField(blank=True)
    value_start = models.CharField(max_length=VALUE_START, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace", "kind", "key"], name="fact_unique_in_trace")
        ]
        indexes = [
            models.Index(fields=["kind", "key", "value_start", "trace"], name="fact_by_value")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} of trace {self.trace_id} ({self.pk})"


class Span(models.Model):
    """One step of a trace; times in nanoseconds since 1970, `kind` as OpenTelemetry numbers it."""

    # its index is that of the constraint below
    trace = models.ForeignKey(Trace, on_delete=models.CASCADE, related_name="spans", db_index=False)
    span_id = models.CharField(max_length=64)
    parent_id = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=500)
    kind = models.PositiveSmallIntegerField(default=1)
    span_type = models.CharField(max_length=60, default="UNKNOWN")
    start_ns = models.BigIntegerField()
    end_ns = models.BigIntegerField(null=True, blank=True)
    inputs = JSONTextField(null=True, blank=True)
    outputs = JSONTextField(null=True, blank=True)
    status = models.CharField(max_length=10, default="OK")
    status_message = models.TextField(blank=True)
    attributes = JSONTextField(default=dict, blank=True)
    events = JSONTextField(default=list, blank=True)
    links = JSONTextField(default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace", "span_id"], name="span_unique_in_trace")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.span_id} ({self.pk})"

    @property
    def duration_ms(self) -> float | None:
        """How long the step took, in milliseconds; None while it runs."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e6

    def to_domain(self) -> entities.Span:
        """The span as judges know it."""
        return entities.Span(
            span_id=self.span_id,
            parent_id=self.parent_id,
            name=self.name,
            span_type=self.span_type,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            inputs=self.inputs,
            outputs=self.outputs,
            status=self.status,
            status_message=self.status_message,
            attributes=self.attributes,
        )
