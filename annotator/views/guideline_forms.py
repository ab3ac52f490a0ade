"""The form for the guideline of a judge's experts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django import forms
from django.http import QueryDict

from annotator.models import DisagreementCause, Judge
from annotator.presenters.words import value_text
from annotator.services.guidelines import LINE_LENGTH, NOTE_LENGTH
from annotator.views.judge_forms import dress
from judges.values import Value, value_key

_LINES = {
    "when": ("choose_when", "Choose it when …"),
    "not": ("do_not_choose", "Do not choose it when …"),
    "example": ("example", "Example"),
}


@dataclass(frozen=True, kw_only=True)
class ValueFields:
    """The three fields of one value."""

    value: Value
    fields: tuple[forms.BoundField, ...]


class GuidelineForm(forms.Form):
    """The experts' criteria: a text, per value three lines, and what the change is for."""

    text = forms.CharField(
        required=False,
        max_length=50_000,
        label="Criteria",
        help_text="Plain text or Markdown. Experts read it beside the form.",
        widget=forms.Textarea(attrs={"rows": 10, "class": "prose-input"}),
    )
    change_note = forms.CharField(
        required=False,
        max_length=NOTE_LENGTH,
        label="What changes, in a sentence",
        help_text="Reviewers who answered by the version before read it on top of their next trace.",
    )
    touches_all = forms.BooleanField(
        required=False,
        label="Every earlier answer has to be looked at again",
        help_text="Without this, only answers with a value that is worded differently now are.",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        judge: Judge,
        gaps: Sequence[DisagreementCause] = (),
        ticked: Sequence[str] = (),
    ) -> None:
        guideline = judge.guideline
        super().__init__(data, initial={"text": guideline.text if guideline else ""})
        self._values = judge.value_type.choices
        self._gaps = {str(gap.pk): gap for gap in gaps}
        for position, value in enumerate(self._values):
            for prefix, (column, label) in _LINES.items():
                kept = getattr(guideline, column) if guideline else {}
                self.fields[f"{prefix}_{position}"] = forms.CharField(
                    required=False,
                    max_length=LINE_LENGTH,
                    label=label,
                    initial=kept.get(value_key(value), ""),
                    widget=forms.Textarea(
                        attrs={
                            "rows": 2,
                            "aria-label": f"{value_text(value, judge.value_type)}: {label}",
                        }
                    ),
                )
        if gaps:
            self.fields["answers"] = forms.MultipleChoiceField(
                required=False,
                label="Makes clear",
                choices=[(key, key) for key in self._gaps],
                initial=[key for key in ticked if key in self._gaps],
                widget=forms.CheckboxSelectMultiple,
                error_messages={
                    "invalid_choice": "One of the unclear places is closed already; reload the page."
                },
            )
        dress(self)

    def lines(self, prefix: str) -> dict[str, str]:
        """The lines of one kind (`when`, `not`, `example`), by `value_key`."""
        return {
            value_key(value): self.cleaned_data[f"{prefix}_{position}"].replace("\r\n", "\n")
            for position, value in enumerate(self._values)
        }

    @property
    def answered(self) -> list[DisagreementCause]:
        """The unclear places that were ticked."""
        return [self._gaps[key] for key in self.cleaned_data.get("answers", ())]

    @property
    def gap_rows(self) -> Iterator[tuple[forms.boundfield.BoundWidget, DisagreementCause]]:
        """The tick box of each unclear place beside it."""
        yield from zip(self["answers"], self._gaps.values(), strict=True)

    @property
    def value_fields(self) -> list[ValueFields]:
        """The fields of each value that can be listed."""
        return [
            ValueFields(
                value=value, fields=tuple(self[f"{prefix}_{position}"] for prefix in _LINES)
            )
            for position, value in enumerate(self._values)
        ]
