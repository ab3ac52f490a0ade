"""The choice of an optimizer with its options, as the optimizer itself declares them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.http import QueryDict

from alignment.estimates import Budget
from alignment.plugins import OptimizerInfo, Parameter, list_optimizers
from annotator.models import AlignmentRun, Judge
from annotator.views.judge_forms import dress, parse_json
from judges.calls import split_model
from judges.errors import InvalidJudgeError

SEED = "seed"  # belongs to a run, not to the judge's settings: a field of its own


class OptimizerForm(forms.Form):
    """An optimizer, the model it asks, and the options of every optimizer; only those of the chosen one count."""

    optimizer = forms.ChoiceField(widget=forms.RadioSelect)
    optimizer_model = forms.CharField(
        required=False,
        max_length=200,
        label="Optimizer's model",
        help_text="Writes the new instructions; a stronger one than the judge's pays. Empty takes the judge's own.",
        widget=forms.TextInput(
            attrs={"list": "known-models", "spellcheck": "false", "class": "mono"}
        ),
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        help_text="The same labels and the same seed give the same run.",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        judge: Judge,
        run: AlignmentRun | None = None,
        with_seed: bool = False,
    ) -> None:
        optimizers = list_optimizers()
        chosen, params, model = (
            (run.optimizer, run.params, run.model)
            if run
            else (judge.optimizer, judge.optimizer_params, judge.optimizer_model)
        )
        initial = {"optimizer": chosen, "optimizer_model": model, "seed": run.seed if run else 0}
        super().__init__(data, initial=initial)
        self.broken = [info for info in optimizers if info.error]
        self.usable = [info for info in optimizers if not info.error]
        cast(forms.ChoiceField, self.fields["optimizer"]).choices = [
            (info.name, info.title) for info in self.usable
        ]
        if not with_seed:
            del self.fields["seed"]
        for info in self.usable:
            for parameter in _options(info):
                value = (
                    params.get(parameter.name, parameter.default)
                    if info.name == chosen
                    else parameter.default
                )
                self.fields[_field_name(info, parameter)] = _field(parameter, value)
        dress(self)

    def clean_optimizer_model(self) -> str:
        """The address of a model; empty for the judge's own."""
        model = str(self.cleaned_data["optimizer_model"])
        try:
            if model:
                split_model(model)
        except InvalidJudgeError as error:
            raise forms.ValidationError(str(error)) from None
        return model

    @property
    def params(self) -> dict[str, Any]:
        """The chosen optimizer's options, those at their defaults left out, so that new defaults reach old judges."""
        info = next(info for info in self.usable if info.name == self.cleaned_data["optimizer"])
        given = {
            parameter.name: _value(parameter, self.cleaned_data[_field_name(info, parameter)])
            for parameter in _options(info)
        }
        return {
            parameter.name: given[parameter.name]
            for parameter in _options(info)
            if given[parameter.name] != parameter.default
        }

    @property
    def groups(self) -> list[tuple[OptimizerInfo, list[forms.BoundField]]]:
        """Every optimizer with the fields of its options."""
        return [
            (info, [self[_field_name(info, parameter)] for parameter in _options(info)])
            for info in self.usable
        ]


class _OptionsField(forms.CharField):
    """Any JSON value as text."""

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return parse_json(text) if text else None
        except ValueError:
            raise forms.ValidationError("This is no JSON.") from None


def _options(info: OptimizerInfo) -> list[Parameter]:
    return [parameter for parameter in info.parameters if parameter.name != SEED]


def _field_name(info: OptimizerInfo, parameter: Parameter) -> str:
    return f"option_{info.name}_{parameter.name}"


def _field(parameter: Parameter, value: Any) -> forms.Field:
    shown: Mapping[str, Any] = {
        "label": parameter.name.replace("_", " ").capitalize(),
        "help_text": parameter.help,
        "initial": value,
        "required": False,
    }
    if parameter.choices:
        choices = [(str(choice), str(choice)) for choice in parameter.choices]
        return forms.ChoiceField(choices=choices, **shown)
    match parameter.type:
        case "bool":
            return forms.BooleanField(**shown)
        case "int":
            return forms.IntegerField(**shown)
        case "float":
            return forms.FloatField(**shown)
        case "str":
            return forms.CharField(max_length=2_000, **shown)
    return _OptionsField(max_length=20_000, **shown)


def _value(parameter: Parameter, given: Any) -> Any:
    """What was filled in; an empty field stands for the default."""
    if parameter.choices:
        return next((c for c in parameter.choices if str(c) == given), parameter.default)
    return parameter.default if given is None else given


class RunForm(OptimizerForm):
    """What a run is started with: the optimizer, and what the run may take."""

    max_calls = forms.IntegerField(
        required=False,
        min_value=1,
        label="Most model calls",
        help_text="The run stops before the call that would exceed it. Empty is no bound.",
    )
    max_cost = forms.FloatField(
        required=False,
        min_value=0.000001,
        label="Most money (US dollars)",
        help_text="Needs models with a known price. Empty is no bound.",
    )

    def __init__(
        self, data: QueryDict | None = None, *, judge: Judge, run: AlignmentRun | None = None
    ) -> None:
        super().__init__(data, judge=judge, run=run, with_seed=True)
        policy = run.policy if run else {}
        for name in ("max_calls", "max_cost"):
            self.fields[name].initial = policy.get(name, getattr(judge, name))
        dress(self)

    @property
    def budget(self) -> Budget:
        """What the run may take."""
        return Budget(calls=self.cleaned_data["max_calls"], cost=self.cleaned_data["max_cost"])

    @property
    def budget_fields(self) -> list[forms.BoundField]:
        """The bounds of the run."""
        return [self["max_calls"], self["max_cost"]]
