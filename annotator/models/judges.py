"""Judges, their versions, and the guideline that experts go by."""

from __future__ import annotations

import json
from functools import lru_cache

from django.conf import settings
from django.db import models
from django.utils import timezone

from alignment.labels import LabelRule, Side, Sides
from alignment.metric import Costs
from alignment.readiness import Thresholds
from alignment.wording import Wording
from annotator.models.fields import JSONTextField
from annotator.models.people import Role, User
from annotator.models.traces import Experiment
from judges.calibration import Calibration
from judges.errors import InvalidJudgeError
from judges.instructions import InstructionsJudge
from judges.memory import Demonstration, Memory
from judges.values import Value, ValueType


@lru_cache(maxsize=1_000)
def _sides(data: str) -> Sides:
    """Read once, although pages ask for the side of each of thousands of values."""
    return Sides.from_dict(json.loads(data))


@lru_cache(maxsize=1_000)
def _guessed_sides(value_type: str) -> Sides:
    return Sides.default_for(ValueType.from_dict(json.loads(value_type)))


class JudgeQuerySet(models.QuerySet["Judge"]):
    """Reads of judges."""

    def visible_to(self, user: User) -> JudgeQuerySet:
        """Those in experiments of the user's teams that nobody has deleted."""
        return self.filter(
            experiment__team__in=user.team_roles(), experiment__deleted_at__isnull=True
        )


class Judge(models.Model):
    """A named judge of an experiment, with its policies. What it says to a model is in its versions."""

    class AlignmentPolicy(models.TextChoices):
        AUTOMATIC = "AUTOMATIC", "Start a run by itself as soon as the feedback suffices"
        MANUAL = "MANUAL", "An admin starts every run"

    class PromotionPolicy(models.TextChoices):
        AUTOMATIC = "AUTOMATIC", "Promote by itself when decisively better"
        APPROVAL = "APPROVAL", "An admin approves every promotion"

    class DriftProposal(models.TextChoices):
        SESSION = "SESSION", "A feedback session, to see what the experts say now"
        RUN = "RUN", "An alignment run, with the feedback there is"

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="judges")
    name = models.CharField(max_length=250)
    description = models.TextField(blank=True)
    current_version = models.ForeignKey(
        "JudgeVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    previous_version = models.ForeignKey(
        "JudgeVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    guideline = models.ForeignKey(
        "GuidelineVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    sides_data = JSONTextField(default=dict, blank=True)
    label_rule = models.CharField(
        max_length=12,
        choices=[(rule.value, rule.value) for rule in LabelRule],
        default=LabelRule.MAJORITY.value,
    )
    adjudicator = models.CharField(max_length=250, blank=True)
    # Whether answers given by a wording of the guideline that has changed since teach no more.
    only_current_guideline = models.BooleanField(default=False)
    minimum_labels = models.PositiveIntegerField(default=10)
    recommended_labels = models.PositiveIntegerField(default=50)
    minimum_share = models.FloatField(default=0.30)
    alignment_policy = models.CharField(
        max_length=10, choices=AlignmentPolicy.choices, default=AlignmentPolicy.AUTOMATIC
    )
    realign_after = models.PositiveIntegerField(default=10)
    # Set when labels or verdicts change, cleared by the worker that has looked: a lost message is thus found again.
    readiness_due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    optimizer = models.CharField(max_length=200, default="simba")
    optimizer_params = JSONTextField(default=dict, blank=True)
    optimizer_model = models.CharField(max_length=200, blank=True)
    promotion_policy = models.CharField(
        max_length=10, choices=PromotionPolicy.choices, default=PromotionPolicy.AUTOMATIC
    )
    promotion_margin = models.FloatField(default=0.0)
    max_harm_per_side = models.FloatField(default=0.10)
    # When the agreement with the experts is too low, or too old to be trusted, and what an alarm proposes then.
    agreement_floor = models.FloatField(default=0.41)
    stale_after_days = models.PositiveIntegerField(default=30)
    drift_proposal = models.CharField(
        max_length=8, choices=DriftProposal.choices, default=DriftProposal.SESSION
    )
    # What a wrong verdict costs, relative to the other kind: a judge is aligned for the lowest cost.
    cost_false_positive = models.FloatField(default=1.0)
    cost_false_negative = models.FloatField(default=1.0)
    # What one run may take at most; None is no bound.
    max_calls = models.PositiveIntegerField(null=True, blank=True)
    max_cost = models.FloatField(null=True, blank=True)
    # Programs number the versions after this one from 1: they deleted those before.
    registered_after = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = JudgeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "name"], name="judge_name_unique_in_experiment"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def value_type(self) -> ValueType:
        """What its verdicts and the feedback under its name may be."""
        if self.current_version is None:
            raise ValueError(f"The judge {self.name} has no version yet.")
        return self.current_version.value_type

    @property
    def sides(self) -> Sides:
        """Which values count as positive, negative or neutral."""
        if self.sides_data:
            return _sides(json.dumps(self.sides_data))
        if self.current_version is None:
            raise ValueError(f"The judge {self.name} has no version yet.")
        return _guessed_sides(json.dumps(self.current_version.value_type_data))

    @property
    def thresholds(self) -> Thresholds:
        """What its feedback must reach before it may be aligned."""
        return Thresholds(
            minimum=self.minimum_labels,
            recommended=self.recommended_labels,
            min_share=self.minimum_share,
        )

    @property
    def costs(self) -> Costs:
        """What the two kinds of wrong verdict cost."""
        return Costs(
            false_positive=self.cost_false_positive, false_negative=self.cost_false_negative
        )

    def side_of(self, value: Value) -> Side:
        """The side that a value counts for."""
        return self.sides.side_of(value)

    def may_be_settled_by(self, user: User) -> bool:
        """Whether the user may settle its labels: a lead or admin of its team, or the member it names for that."""
        team = self.experiment.team_id
        is_named = bool(self.adjudicator) and self.adjudicator == user.username
        return user.has_role(team, Role.LEAD) or (is_named and user.has_role(team, Role.EXPERT))


class JudgeVersion(models.Model):
    """What a judge is at one time. Never changed: an edit, a run or a client makes a new one."""

    class Origin(models.TextChoices):
        PERSON = "PERSON", "Edited"
        RUN = "RUN", "Alignment run"
        CLIENT = "CLIENT", "Client"
        IMPORT = "IMPORT", "Import"

    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    instructions = models.TextField()
    value_type_data = JSONTextField()
    model = models.CharField(max_length=200, blank=True)
    inference_params = JSONTextField(default=dict, blank=True)
    base_url = models.CharField(max_length=500, blank=True)
    extra_headers = JSONTextField(default=dict, blank=True)
    demonstrations = JSONTextField(default=list, blank=True)
    generate_rationale_first = models.BooleanField(default=True)
    memory_data = JSONTextField(default=dict, blank=True)
    calibration_data = JSONTextField(default=dict, blank=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.PERSON)
    guideline = models.ForeignKey(
        "GuidelineVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.CharField(max_length=500, blank=True)
    # What a client registered, to the letter, and why it cannot be run here if it cannot.
    serialized = models.TextField(blank=True)
    not_runnable = models.CharField(max_length=500, blank=True)
    # Programs have deleted it; people still see it.
    is_unregistered = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "number"], name="version_number_unique_in_judge"
            )
        ]

    def __str__(self) -> str:
        return f"version {self.number} of judge {self.judge_id} ({self.pk})"

    @property
    def value_type(self) -> ValueType:
        """What its verdicts may be."""
        return ValueType.from_dict(self.value_type_data)

    @property
    def memory(self) -> Memory | None:
        """The guidelines and labelled cases it carries."""
        return Memory.from_dict(self.memory_data) if self.memory_data else None

    @property
    def calibration(self) -> Calibration | None:
        """What its model's answers stand for."""
        return Calibration.from_dict(self.calibration_data) if self.calibration_data else None

    def to_domain(self) -> InstructionsJudge:
        """The judge that can be called.

        Raises:
            InvalidJudgeError: when what is stored makes no judge, or one that cannot be run here.
        """
        if self.not_runnable:
            raise InvalidJudgeError(self.not_runnable)
        return InstructionsJudge(
            name=self.judge.name,
            instructions=self.instructions,
            value_type=self.value_type,
            model=self.model,
            description=self.judge.description,
            inference_params=self.inference_params,
            base_url=self.base_url or None,
            extra_headers=self.extra_headers,
            generate_rationale_first=self.generate_rationale_first,
            demonstrations=tuple(Demonstration(**item) for item in self.demonstrations),
            memory=self.memory,
            calibration=self.calibration,
        )


class GuidelineVersion(models.Model):
    """The experts' written criteria: a text, and per value when to choose it. Never changed, only followed.

    The three columns by value have `value_key`s as keys. `touches_all` says that every earlier answer has to be looked
    at again, and not only those whose value is worded differently now.
    """

    judge = models.ForeignKey(Judge, on_delete=models.CASCADE, related_name="guidelines")
    number = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    choose_when = JSONTextField(default=dict, blank=True)
    do_not_choose = JSONTextField(default=dict, blank=True)
    example = JSONTextField(default=dict, blank=True)
    change_note = models.CharField(max_length=500, blank=True)
    touches_all = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["judge", "number"], name="guideline_number_unique_in_judge"
            )
        ]

    def __str__(self) -> str:
        return f"guideline {self.number} of judge {self.judge_id} ({self.pk})"

    @property
    def wording(self) -> Wording:
        """What it says of each value."""
        return Wording(
            number=self.number,
            choose_when=self.choose_when,
            do_not_choose=self.do_not_choose,
            example=self.example,
            touches_all=self.touches_all,
        )
