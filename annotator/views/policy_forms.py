"""The form for a judge's policies."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from alignment.sides import Side, Sides
from annotator.models import Judge
from annotator.presenters.words import value_text
from annotator.views.judge_forms import dress
from judges.values import Value, value_key

SIDES = [
    (Side.POSITIVE.value, "positive"),
    (Side.NEUTRAL.value, "neutral"),
    (Side.NEGATIVE.value, "negative"),
]


class SettingsForm(forms.Form):
    """A judge's policies. Shares are asked for in per cent."""

    description = forms.CharField(
        required=False, max_length=2_000, widget=forms.Textarea(attrs={"rows": 2})
    )
    minimum_labels = forms.IntegerField(
        label="Fewest labels", help_text="Below this many the judge is not aligned."
    )
    recommended_labels = forms.IntegerField(
        label="Recommended labels", min_value=1, max_value=1_000_000
    )
    minimum_share = forms.FloatField(label="Least share per side (%)", min_value=0, max_value=49.9)
    alignment_policy = forms.ChoiceField(
        label="Start of runs", choices=Judge.AlignmentPolicy.choices, widget=forms.RadioSelect
    )
    realign_after = forms.IntegerField(
        label="New labels until the next run", min_value=1, max_value=1_000_000
    )
    promotion_policy = forms.ChoiceField(
        label="Promotion", choices=Judge.PromotionPolicy.choices, widget=forms.RadioSelect
    )
    promotion_margin = forms.FloatField(
        label="Margin (percentage points)",
        min_value=0,
        max_value=100,
        help_text="How much better the new version must be at least, at the lower end of the interval.",
    )
    max_harm_per_side = forms.FloatField(
        label="Most harm to a side (percentage points)",
        min_value=0,
        max_value=100,
        help_text="A version that finds fewer of the positive or of the negative labels by more than this is not promoted.",
    )
    cost_false_positive = forms.FloatField(
        label="Weight of a false positive",
        help_text="How bad it is that the judge says positive where the experts say negative. Only the two weights' ratio counts.",
    )
    cost_false_negative = forms.FloatField(
        label="Weight of a false negative",
        help_text="How bad it is that the judge says negative where the experts say positive.",
    )
    agreement_floor = forms.FloatField(
        label="Floor (κ)",
        min_value=-1,
        max_value=1,
        help_text="Below this agreement with the experts an alarm is raised. 0.41 to 0.60 is called moderate.",
    )
    stale_after_days = forms.IntegerField(
        label="Stale after (days)",
        help_text="So long after the last check the judge counts as unchecked again.",
    )
    drift_proposal = forms.ChoiceField(
        label="What an alarm proposes",
        choices=Judge.DriftProposal.choices,
        widget=forms.RadioSelect,
    )
    max_calls = forms.IntegerField(
        required=False,
        label="Most model calls a run",
        help_text="A run stops before the call that would exceed it. Empty is no bound.",
    )
    max_cost = forms.FloatField(
        required=False,
        label="Most money a run (US dollars)",
        help_text="Needs models with a known price. Empty is no bound.",
    )
    positive_from = forms.FloatField(required=False, label="Positive from")
    negative_to = forms.FloatField(required=False, label="Negative up to")

    PERCENT = ("minimum_share", "promotion_margin", "max_harm_per_side")

    def __init__(self, data: QueryDict | None = None, *, judge: Judge) -> None:
        initial = {name: getattr(judge, name) for name in self.base_fields if hasattr(judge, name)}
        initial.update({name: f"{initial[name] * 100:.6g}" for name in self.PERCENT})
        sides = judge.sides
        initial.update({"positive_from": sides.positive_from, "negative_to": sides.negative_to})
        super().__init__(data, initial=initial)
        self.judge = judge
        self._values: tuple[Value, ...] = judge.value_type.choices
        for position, value in enumerate(self._values):
            self.fields[f"side_{position}"] = forms.ChoiceField(
                label=value_text(value, judge.value_type),
                choices=SIDES,
                initial=sides.side_of(value).value,
                widget=forms.RadioSelect,
            )
        if self._values or not judge.value_type.is_numeric:
            del self.fields["positive_from"], self.fields["negative_to"]
        dress(self)

    @property
    def side_fields(self) -> list[forms.BoundField]:
        """One row of sides for each value that can be listed."""
        return [self[f"side_{position}"] for position in range(len(self._values))]

    @property
    def changes(self) -> dict[str, Any]:
        """The settings as the service takes them: shares from 0 to 1, no sides."""
        return {
            name: value / 100 if name in self.PERCENT else value
            for name, value in self.cleaned_data.items()
            if not name.startswith("side_") and name not in {"positive_from", "negative_to"}
        }

    @property
    def sides(self) -> Sides:
        """The side of each value."""
        return Sides(
            by_value={
                value_key(value): Side(self.cleaned_data[f"side_{position}"])
                for position, value in enumerate(self._values)
            },
            positive_from=self.cleaned_data.get("positive_from"),
            negative_to=self.cleaned_data.get("negative_to"),
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        low, high = data.get("negative_to"), data.get("positive_from")
        if low is not None and high is not None and low > high:
            self.add_error(
                "negative_to", "The negative values must end below where the positive ones start."
            )
        if not self.errors and data["recommended_labels"] < data["minimum_labels"]:
            self.add_error(
                "recommended_labels", "Recommend at least as many labels as are the fewest."
            )
        return data
