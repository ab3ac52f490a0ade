"""What people type in: checked, typed, and refused with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict
from django.utils import timezone

from annotator.models import Experiment, Judge, User
from annotator.models.search import ANY_VERDICT, NO_VERDICT, FeedbackState, TraceFilter
from annotator.presenters.words import value_text
from annotator.services.feedback import RATIONALE_LENGTH
from annotator.services.new_traces import LONGEST_FILTER
from judges.values import InvalidValueError, ValueKind, value_key

PERIODS = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
DECLINE_REASONS = (
    "Not enough information in the trace",
    "Outside my field",
    "The trace cannot be read or displayed",
    "The guideline does not cover this case",
)
OTHER_REASON = "other"
DECLINE_TEXT_LENGTH = 400


class NewTracesForm(forms.Form):
    """Which of the traces that come a judge judges by itself."""

    percent = forms.FloatField(min_value=0, max_value=100)
    filter = forms.CharField(required=False, max_length=LONGEST_FILTER)


class TraceFilterForm(forms.Form):
    """The filters of the trace list. Each wrong one says so and is left out; the others still count."""

    experiment = forms.CharField(required=False, widget=forms.Select(attrs={"class": "select"}))
    verdict = forms.CharField(required=False, widget=forms.Select(attrs={"class": "select"}))
    label = forms.CharField(required=False, widget=forms.HiddenInput)
    feedback = forms.ChoiceField(
        required=False,
        choices=[("", "Any state"), *FeedbackState.choices],
        widget=forms.Select(attrs={"class": "select"}),
        error_messages={
            "invalid_choice": "There is no feedback state “%(value)s”; choose one from the list."
        },
    )
    time = forms.ChoiceField(
        required=False,
        choices=[
            ("", "Any time"),
            ("1d", "Last 24 hours"),
            ("7d", "Last 7 days"),
            ("30d", "Last 30 days"),
        ],
        widget=forms.Select(attrs={"class": "select"}),
        error_messages={
            "invalid_choice": "There is no period “%(value)s”; choose one from the list."
        },
    )
    since = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"class": "input", "type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Write the date as 2026-03-31."},
    )
    until = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"class": "input", "type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Write the date as 2026-03-31."},
    )
    q = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={
                "class": "input",
                "type": "search",
                "placeholder": "Words or a trace id",
                "data-key": "/",
            }
        ),
        error_messages={"max_length": "Search for at most 200 characters."},
    )

    def __init__(self, data: QueryDict, *, user: User) -> None:
        super().__init__(data)
        self.user = user
        self.experiments = list(Experiment.objects.visible_to(user).order_by("name", "pk"))
        self.judges = list(
            Judge.objects.visible_to(user)
            .select_related("current_version", "experiment")
            .order_by("experiment__name", "name")
        )
        names = [(str(experiment.pk), experiment.name) for experiment in self.experiments]
        self.fields["experiment"].widget.choices = [("", "All experiments"), *names]
        self.fields["verdict"].widget.choices = self._verdict_choices(data.get("experiment", ""))

    def clean_experiment(self) -> Experiment | None:
        """The experiment chosen; None for all."""
        text = self.cleaned_data["experiment"]
        if not text:
            return None
        for experiment in self.experiments:
            if str(experiment.pk) == text:
                return experiment
        raise forms.ValidationError("There is no such experiment, or it belongs to another team.")

    def clean_verdict(self) -> tuple[Judge, str] | None:
        """The judge and what it should have said."""
        return self._judge_and_value("verdict", also=(ANY_VERDICT, NO_VERDICT))

    def clean_label(self) -> tuple[Judge, str] | None:
        """The judge and the label that people settled on."""
        return self._judge_and_value("label")

    def trace_filter(self) -> TraceFilter:
        """The filter that the valid fields make."""
        self.is_valid()
        data = self.cleaned_data
        experiment = data.get("experiment")
        verdict, label = data.get("verdict"), data.get("label")
        since = _start_of(data.get("since"))
        if data.get("time"):
            since = max(filter(None, [since, timezone.now() - PERIODS[data["time"]]]))
        until = data.get("until")
        return TraceFilter(
            experiments=(experiment,) if experiment else tuple(self.experiments),
            judge=verdict[0] if verdict else None,
            verdict=verdict[1] if verdict else "",
            label_judge=label[0] if label else None,
            label=label[1] if label else "",
            feedback=data.get("feedback") or "",
            since=since,
            until=_start_of(until + timedelta(days=1)) if until and until.year < 9999 else None,
            text=(data.get("q") or "").strip(),
        )

    @property
    def query(self) -> str:
        """The filter as a query string, without empty fields and without the page."""
        return urlencode([(name, self.data[name]) for name in self.fields if self.data.get(name)])

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.query)

    @property
    def label_words(self) -> str:
        """The label filter in words, for a field that nobody sees."""
        label = self.cleaned_data.get("label")
        return f"{label[0].name}: label {value_text(label[1])}" if label else ""

    def judges_shown(self) -> list[Judge]:
        """The judges whose verdicts the list shows."""
        experiment = self.cleaned_data.get("experiment")
        return [judge for judge in self.judges if experiment in (None, judge.experiment)]

    def _judge_and_value(self, field: str, *, also: Iterable[str] = ()) -> tuple[Judge, str] | None:
        text = self.cleaned_data[field]
        if not text:
            return None
        pk, _, key = text.partition(":")
        judge = next((judge for judge in self.judges if str(judge.pk) == pk), None)
        if judge is None:
            raise forms.ValidationError("There is no such judge, or it belongs to another team.")
        choices = [value_key(value) for value in _choices(judge)]
        if choices and key not in (*choices, *also):
            raise forms.ValidationError(
                f"“{key}” is no value of {judge.name}; choose one from the list."
            )
        experiment = self.cleaned_data.get("experiment")
        if experiment is not None and experiment != judge.experiment:
            return None  # the experiment was changed: its list of verdicts does not have this one
        return judge, key

    def _verdict_choices(self, experiment: str) -> list[Any]:
        judges = [judge for judge in self.judges if experiment in ("", str(judge.experiment_id))]
        choices: list[Any] = [("", "Any verdict")]
        for judge in judges:
            # A closed list shows the option alone, so that with several judges it has to name its own.
            prefix = f"{judge.name}: " if len(judges) > 1 else ""
            values = [
                (f"{judge.pk}:{value_key(value)}", f"{prefix}{value_text(value)}")
                for value in _choices(judge)
            ]
            special = [
                (f"{judge.pk}:{ANY_VERDICT}", f"{prefix}judged"),
                (f"{judge.pk}:{NO_VERDICT}", f"{prefix}not judged yet"),
            ]
            choices.append((judge.name, [*values, *special]))
        return choices


class FeedbackForm(forms.Form):
    """Feedback under one judge's name: its value type makes the form. Nothing is ever filled in beforehand."""

    value = forms.CharField(required=False, strip=True)
    rationale = forms.CharField(
        required=False,
        max_length=RATIONALE_LENGTH,
        error_messages={
            "max_length": f"The reason is longer than {RATIONALE_LENGTH:,} characters; shorten it."
        },
    )
    decline = forms.ChoiceField(
        required=False,
        choices=[
            *((reason, reason) for reason in DECLINE_REASONS),
            (OTHER_REASON, "Another reason"),
        ],
        error_messages={"invalid_choice": "Choose one of the reasons listed."},
    )
    decline_text = forms.CharField(
        required=False,
        max_length=DECLINE_TEXT_LENGTH,
        error_messages={"max_length": f"Use at most {DECLINE_TEXT_LENGTH} characters."},
    )
    action = forms.CharField(required=False)

    def __init__(self, data: QueryDict | None = None, *, judge: Judge) -> None:
        super().__init__(data, auto_id=f"judge-{judge.pk}-%s")
        self.judge = judge

    def clean(self) -> dict[str, Any]:
        """Adds `answer`: the keyword arguments of `add_feedback`."""
        data = super().clean() or {}
        if data.get("action") == "decline":
            data["answer"] = {"declined_reason": self._declined_reason(data)}
        else:
            data["answer"] = {"value": self._value(data.get("value") or "")}
        data["answer"]["rationale"] = data.get("rationale") or ""
        return data

    def _value(self, text: str) -> object | None:
        value_type = self.judge.value_type
        if not text:
            verb = "Choose" if value_type.choices else "Write"
            self.add_error("value", f"{verb} your answer first: {allowed(self.judge)}.")
            return None
        try:
            return value_type.parse(text)
        except InvalidValueError:
            self.add_error("value", f"“{text[:60]}” is not {allowed(self.judge)}.")
            return None

    def _declined_reason(self, data: dict[str, Any]) -> str:
        reason, text = data.get("decline") or "", data.get("decline_text") or ""
        if reason and reason != OTHER_REASON:
            return f"{reason}: {text}" if text else reason
        if not text:
            self.add_error(
                "decline_text" if reason else "decline",
                "Say in a few words why it cannot be judged."
                if reason
                else "Choose why it cannot be judged.",
            )
        return text

    @property
    def is_declining(self) -> bool:
        """Whether the form came back while somebody said that it cannot be judged."""
        return self.is_bound and self.data.get("action") == "decline"


def allowed(judge: Judge) -> str:
    """The judge's values in the words of the form: `yes or no`, `one of: good, poor`."""
    value_type = judge.value_type
    return "yes or no" if value_type.kind is ValueKind.BOOLEAN else value_type.describe()


def _choices(judge: Judge) -> tuple[Any, ...]:
    return judge.value_type.choices if judge.current_version else ()


def _start_of(day: Any) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, time.min)) if day else None
