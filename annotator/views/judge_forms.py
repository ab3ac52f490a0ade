"""The form that defines a judge."""

from __future__ import annotations

import json
import math
from typing import Any

from django import forms

from alignment.sides import Side, Sides
from annotator.models import Judge, JudgeVersion
from annotator.presenters.words import value_text
from judges.errors import InvalidJudgeError
from judges.instructions import InstructionsJudge
from judges.values import Value, ValueKind, ValueType, value_key

MOST_CATEGORIES = 50
MOST_BRACKETS = 100

KINDS = [
    (ValueKind.BOOLEAN.value, "Yes or no"),
    (ValueKind.CATEGORY.value, "Categories"),
    (ValueKind.INTEGER.value, "Whole number"),
    (ValueKind.NUMBER.value, "Number"),
    (ValueKind.TEXT.value, "Text"),
]
# How the core's messages on a definition begin, and the field that each is about; all others are about the model.
_STARTS = (
    ("A judge needs instructions", "instructions"),
    ("The instructions", "instructions"),
    ("{{", "instructions"),
    ("A judge needs a name", "name"),
    ("The name", "name"),
    ("The inference", "inference_params"),
    ("The base URL", "base_url"),
    ("The extra headers", "extra_headers"),
)


def dress(form: forms.Form) -> None:
    """Give every widget the look of its kind."""
    for field in form.fields.values():
        widget = field.widget
        if isinstance(widget, (forms.RadioSelect, forms.CheckboxInput)):
            continue
        look = (
            "textarea"
            if isinstance(widget, forms.Textarea)
            else "select"
            if isinstance(widget, forms.Select)
            else "input"
        )
        widget.attrs["class"] = f"{look} {widget.attrs.get('class', '')}".strip()


def parse_json(text: str) -> Any:
    """What a JSON text stands for, if every program that it may go to can read it again.

    Raises:
        ValueError: when it is none, holds NaN or half a character, or nests deeper than anybody needs.
    """
    if text.count("[") + text.count("{") > MOST_BRACKETS:
        raise ValueError("too many lists and objects")
    parsed = json.loads(text)
    json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
    return parsed


class JSONObjectField(forms.CharField):
    """A JSON object written as text; empty means none."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
        return value

    def clean(self, value: Any) -> dict[str, Any]:
        text = super().clean(value)
        if not text:
            return {}
        try:
            parsed = parse_json(text)
        except ValueError:
            raise forms.ValidationError(
                'This is no JSON. Write an object, for example {"temperature": 0}.'
            ) from None
        if not isinstance(parsed, dict):
            raise forms.ValidationError(
                'Write a JSON object in braces, for example {"temperature": 0}.'
            )
        return parsed


class JudgeForm(forms.Form):
    """What a judge says to a model. The name is asked for only when the judge is made."""

    name = forms.CharField(
        max_length=250,
        error_messages={"required": "Write a name."},
        help_text="The feedback that teaches the judge bears this name, so it cannot be changed later.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}
        ),
    )
    description = forms.CharField(
        required=False,
        max_length=2_000,
        help_text="For people; the model never sees it.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    instructions = forms.CharField(
        max_length=100_000,
        error_messages={"required": "Write the instructions."},
        widget=forms.Textarea(attrs={"rows": 14, "class": "prose-input"}),
    )
    value_kind = forms.ChoiceField(
        label="The verdict is",
        choices=KINDS,
        error_messages={"required": "Choose what the verdict is."},
        widget=forms.RadioSelect,
        initial=ValueKind.BOOLEAN.value,
    )
    categories = forms.CharField(
        required=False,
        max_length=10_000,
        help_text="One per line.",
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    ordered = forms.BooleanField(
        required=False, label="Their order means something, as in excellent, good, fair, poor"
    )
    minimum = forms.FloatField(required=False, label="Lowest")
    maximum = forms.FloatField(required=False, label="Highest")
    yes_is = forms.ChoiceField(
        required=False,
        label="Yes is",
        choices=[(Side.POSITIVE.value, "good news"), (Side.NEGATIVE.value, "bad news")],
        widget=forms.RadioSelect,
        initial=Side.POSITIVE.value,
    )
    good = forms.CharField(
        required=False,
        label="Values that are good news",
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    bad = forms.CharField(
        required=False,
        label="Values that are bad news",
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    model = forms.CharField(
        max_length=200,
        error_messages={"required": "Name a model."},
        help_text="provider:/model, for example openai:/gpt-4.1-mini.",
        widget=forms.TextInput(
            attrs={"list": "known-models", "spellcheck": "false", "class": "mono"}
        ),
    )
    inference_params = JSONObjectField(
        required=False,
        max_length=10_000,
        label="Inference parameters",
        help_text='JSON, for example {"temperature": 0}. Empty for the model\'s own.',
    )
    base_url = forms.CharField(
        required=False,
        max_length=500,
        label="Base URL",
        help_text="For an own or proxy server that speaks the OpenAI protocol.",
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false", "class": "mono"}),
    )
    extra_headers = JSONObjectField(
        required=False,
        max_length=10_000,
        label="Extra HTTP headers",
        help_text="JSON of names and values. Write a secret as env:NAME; the worker fills it in.",
    )
    note = forms.CharField(
        required=False,
        max_length=500,
        help_text="What you changed and why, for the list of versions.",
    )

    def __init__(self, *args: Any, judge: Judge | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.judge = judge
        self.value_type: ValueType | None = None
        self.sides: Sides | None = None
        self.definition: InstructionsJudge | None = None
        if judge is None:
            del self.fields["note"]
        else:
            for field in ("name", "description", "yes_is", "good", "bad"):
                del self.fields[field]
        dress(self)

    def clean_instructions(self) -> str:
        """Line ends as the rest of the program knows them; browsers send two characters."""
        return str(self.cleaned_data["instructions"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            self.value_type = self._value_type(data)
        except InvalidJudgeError as error:
            field = "categories" if data["value_kind"] == ValueKind.CATEGORY else "maximum"
            self.add_error(field, str(error))
            return data
        if self.judge is None:
            self.sides = self._sides(data, self.value_type)
        try:
            self.definition = InstructionsJudge(
                name=self.judge.name if self.judge else data["name"],
                instructions=data["instructions"],
                value_type=self.value_type,
                model=data["model"],
                inference_params=data["inference_params"],
                base_url=data["base_url"] or None,
                extra_headers=data["extra_headers"],
            )
        except InvalidJudgeError as error:
            self.add_error(_field_of(str(error)), str(error))
        return data

    def _value_type(self, data: dict[str, Any]) -> ValueType:
        kind = ValueKind(data["value_kind"])
        if kind is ValueKind.CATEGORY:
            # A category that is a number stays one: the form only knows texts.
            typed = {value_key(value): value for value in self._old_categories()}
            categories = tuple(typed.get(line, line) for line in _lines(data["categories"]))
            if len(categories) > MOST_CATEGORIES:
                raise InvalidJudgeError(
                    f"There are {len(categories)} categories; at most {MOST_CATEGORIES} can be shown as a form."
                )
            return ValueType(kind=kind, categories=categories, ordered=data["ordered"])
        if kind in {ValueKind.INTEGER, ValueKind.NUMBER}:
            return ValueType(kind=kind, minimum=data["minimum"], maximum=data["maximum"])
        return ValueType(kind=kind)

    def _old_categories(self) -> tuple[Value, ...]:
        return self.judge.value_type.categories if self.judge and self.judge.current_version else ()

    def _sides(self, data: dict[str, Any], value_type: ValueType) -> Sides | None:
        """None, a first guess, where neither field is filled in."""
        if value_type.kind is ValueKind.BOOLEAN:
            is_bad = data["yes_is"] == Side.NEGATIVE
            yes, no = (Side.NEGATIVE, Side.POSITIVE) if is_bad else (Side.POSITIVE, Side.NEGATIVE)
            return Sides(by_value={"true": yes, "false": no})
        good, bad = _lines(data["good"]), _lines(data["bad"])
        if not good and not bad:
            return None
        if value_type.is_numeric:
            return Sides(
                positive_from=self._bound("good", good), negative_to=self._bound("bad", bad)
            )
        by_value: dict[str, Side] = {}
        known = {
            value_text(value, value_type).casefold(): value_key(value)
            for value in value_type.choices
        }
        for field, lines, side in (("good", good, Side.POSITIVE), ("bad", bad, Side.NEGATIVE)):
            for line in lines:
                key = known.get(line.casefold())
                if key is None:
                    self.add_error(
                        field,
                        f"“{line}” is none of the values above; write each as it stands there.",
                    )
                elif key in by_value:
                    self.add_error(
                        field, f"“{line}” is named as good and as bad; keep one of them."
                    )
                else:
                    by_value[key] = side
        return Sides(by_value={key: by_value.get(key, Side.NEUTRAL) for key in known.values()})

    def _bound(self, field: str, lines: list[str]) -> float | None:
        if not lines:
            return None
        try:
            return _finite(lines[0])
        except ValueError:
            edge = (
                "from which on values are good" if field == "good" else "up to which values are bad"
            )
            self.add_error(field, f"Write the number {edge}, for example 4.")
            return None


def judge_form_initial(version: JudgeVersion) -> dict[str, Any]:
    """The form's contents for an edit."""
    value_type = version.value_type
    return {
        "instructions": version.instructions,
        "value_kind": value_type.kind.value,
        "categories": "\n".join(value_key(category) for category in value_type.categories),
        "ordered": value_type.ordered,
        "minimum": value_type.minimum,
        "maximum": value_type.maximum,
        "model": version.model,
        "inference_params": version.inference_params,
        "base_url": version.base_url,
        "extra_headers": version.extra_headers,
    }


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no place on a scale")
    return number


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _field_of(message: str) -> str:
    """The field that a message of the core is about; it begins with what is wrong."""
    for start, field in _STARTS:
        if message.startswith(start):
            return field
    return "model"
