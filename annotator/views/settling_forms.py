"""The form with which a label is settled by hand."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from annotator.forms import allowed
from annotator.models import Cause, Judge
from annotator.services.causes import NOTE_LENGTH
from annotator.services.settling import RATIONALE_LENGTH
from judges.values import InvalidValueError


class SettleForm(forms.Form):
    """What a trace counts as, why, and why the answers differ. Nothing is chosen beforehand."""

    value = forms.CharField(required=False, strip=True)
    rationale = forms.CharField(
        required=False,
        max_length=RATIONALE_LENGTH,
        error_messages={
            "max_length": f"The reason is longer than {RATIONALE_LENGTH:,} characters; shorten it."
        },
    )
    cause = forms.ChoiceField(
        required=False,
        choices=Cause.choices,
        error_messages={"invalid_choice": "Choose one of the three causes."},
    )
    note = forms.CharField(
        required=False,
        max_length=NOTE_LENGTH,
        error_messages={"max_length": f"Use at most {NOTE_LENGTH:,} characters."},
    )
    adopted_from = forms.CharField(required=False, max_length=64)
    without_waiting = forms.BooleanField(required=False)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        judge: Judge,
        needs_cause: bool,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        self.judge = judge
        self.needs_cause = needs_cause

    def clean_value(self) -> object:
        """The value as the judge has it."""
        text = self.cleaned_data["value"]
        if not text:
            raise forms.ValidationError(f"Choose what it counts as: {allowed(self.judge)}.")
        try:
            return self.judge.value_type.parse(text)
        except InvalidValueError:
            raise forms.ValidationError(f"“{text[:60]}” is not {allowed(self.judge)}.") from None

    def clean_cause(self) -> str:
        """One of the three where the answers differ; nothing where they do not."""
        cause: str = self.cleaned_data["cause"]
        if self.needs_cause and not cause:
            raise forms.ValidationError("Say why the answers differ.")
        return cause if self.needs_cause else ""
