"""What may be stored of a judge: names, texts and settings within bounds, each wrong one with a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignment.labels import LabelRule, Sides
from annotator.models import Judge
from judges.answers import clean_text
from judges.values import ValueType, value_key

SETTINGS = frozenset(
    {
        "description",
        "label_rule",
        "adjudicator",
        "only_current_guideline",
        "minimum_labels",
        "recommended_labels",
        "minimum_share",
        "alignment_policy",
        "realign_after",
        "optimizer",
        "optimizer_params",
        "optimizer_model",
        "promotion_policy",
        "promotion_margin",
        "max_harm_per_side",
        "cost_false_positive",
        "cost_false_negative",
        "max_calls",
        "max_cost",
        "agreement_floor",
        "stale_after_days",
        "drift_proposal",
    }
)
MOST_LABELS = 1_000_000
MOST_DAYS = 3_660
MOST_CALLS = 1_000_000_000
MOST_MONEY = 1_000_000
DEAREST = 1_000.0

_LONGEST = {
    "name": 250,
    "description": 20_000,
    "instructions": 100_000,
    "model": 200,
    "base_url": 500,
    "note": 500,
    "adjudicator": 250,
    "optimizer": 200,
    "optimizer_model": 200,
    "text": 50_000,
}
_CHOICES = {
    "label_rule": [rule.value for rule in LabelRule],
    "alignment_policy": Judge.AlignmentPolicy.values,
    "promotion_policy": Judge.PromotionPolicy.values,
    "drift_proposal": Judge.DriftProposal.values,
}


class JudgeServiceError(ValueError):
    """The judge cannot be made or changed so; `field` says where on the form the remedy lies."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def checked_name(name: str) -> str:
    """The name, which is the contract and is therefore never mended.

    Raises:
        JudgeServiceError: when it is empty or too long, begins or ends with a blank, or holds what cannot be seen.
    """
    if not name.strip():
        raise JudgeServiceError(
            "A judge needs a name: feedback teaches the judge whose name it bears.", field="name"
        )
    if name != name.strip():
        raise JudgeServiceError(
            f"The name “{name.strip()}” must not begin or end with a blank.", field="name"
        )
    if not name.isprintable():
        raise JudgeServiceError(
            "The name holds a line break or a character that cannot be shown; type it again.",
            field="name",
        )
    checked_texts({"name": name})
    return name


def checked_texts(texts: Mapping[str, str]) -> dict[str, Any]:
    """The texts, by field, without what databases cannot keep.

    Raises:
        JudgeServiceError: when one is too long.
    """
    for field, text in texts.items():
        if len(text) > _LONGEST[field]:
            raise JudgeServiceError(
                f"This is longer than {_LONGEST[field]:,} characters; shorten it.", field=field
            )
    return {field: clean_text(text) for field, text in texts.items()}


def checked_settings(judge: Judge, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, checked together with those that the judge keeps.

    Raises:
        JudgeServiceError: when a value is out of its bounds.
        TypeError: when a setting is none of `SETTINGS`.
    """
    unknown = fields.keys() - SETTINGS
    if unknown:
        raise TypeError(f"no such settings of a judge: {', '.join(sorted(unknown))}")
    values = {name: fields.get(name, getattr(judge, name)) for name in SETTINGS}
    texts = {name: fields[name].strip() for name in fields.keys() & _LONGEST.keys()}
    values.update(texts)
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            raise JudgeServiceError(f"Choose one of: {', '.join(choices)}.", field=name)
    if values["label_rule"] == LabelRule.ADJUDICATED and not values["adjudicator"]:
        raise JudgeServiceError(
            "Name the person whose answer settles the label.", field="adjudicator"
        )
    for name, least, noun in (
        ("minimum_labels", 2, "labels"),
        ("recommended_labels", 2, "labels"),
        ("realign_after", 1, "new label"),
    ):
        if not values[name] >= least:
            raise JudgeServiceError(f"Ask for at least {least} {noun}.", field=name)
        if values[name] > MOST_LABELS:
            raise JudgeServiceError(f"Ask for at most {MOST_LABELS:,} labels.", field=name)
    if not 0 <= values["minimum_share"] < 0.5:
        raise JudgeServiceError(
            "The least share of a side must be from 0 % to below 50 %.", field="minimum_share"
        )
    for name in ("promotion_margin", "max_harm_per_side"):
        if not 0 <= values[name] <= 1:
            raise JudgeServiceError("Give a share from 0 % to 100 %.", field=name)
    if not -1 <= values["agreement_floor"] <= 1:
        raise JudgeServiceError("A kappa lies between -1 and 1.", field="agreement_floor")
    if not 1 <= values["stale_after_days"] <= MOST_DAYS:
        raise JudgeServiceError(f"Give 1 to {MOST_DAYS:,} days.", field="stale_after_days")
    for name in ("cost_false_positive", "cost_false_negative"):
        if not 0 < values[name] <= DEAREST:
            raise JudgeServiceError(
                f"Give a number above 0, at most {DEAREST:g}: how bad this error is beside the other.",
                field=name,
            )
    if values["max_calls"] is not None and not 1 <= values["max_calls"] <= MOST_CALLS:
        raise JudgeServiceError(
            f"Allow from 1 to {MOST_CALLS:,} calls, or leave it empty.", field="max_calls"
        )
    if values["max_cost"] is not None and not 0 < values["max_cost"] <= MOST_MONEY:
        raise JudgeServiceError(
            f"Allow more than $0 and at most ${MOST_MONEY:,}, or leave it empty.", field="max_cost"
        )
    if not isinstance(values["optimizer_params"], dict):
        raise JudgeServiceError(
            'Write the parameters as an object, for example {"steps": 4}.', field="optimizer_params"
        )
    return {**fields, **checked_texts(texts)}


def checked_sides(sides: Sides, value_type: ValueType) -> dict[str, Any]:
    """The sides as they are stored.

    Raises:
        JudgeServiceError: when one is given to a value that the judge does not have.
    """
    allowed = {value_key(value) for value in value_type.choices}
    for key in sides.by_value:
        if allowed and key not in allowed:
            raise JudgeServiceError(f"“{key}” is none of this judge's values.", field="sides")
    return sides.to_dict()


def sides_carried_over(sides_data: dict[str, Any], value_type: ValueType) -> dict[str, Any]:
    """What was decided about sides, for values of another type: those that are still there keep theirs."""
    if not sides_data:
        return {}
    old, default = Sides.from_dict(sides_data), Sides.default_for(value_type)
    has_bounds = old.positive_from is not None or old.negative_to is not None
    if not value_type.choices:
        return sides_data if value_type.is_numeric and has_bounds else {}
    decided = {
        value_key(value): old.side_of(value)
        for value in value_type.choices
        if value_key(value) in old.by_value or (value_type.is_numeric and has_bounds)
    }
    if not decided:
        return {}
    by_value = {
        value_key(value): decided.get(value_key(value), default.side_of(value))
        for value in value_type.choices
    }
    return Sides(by_value=by_value).to_dict()
