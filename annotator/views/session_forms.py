"""The form that plans a session: three steps on one page, each of which keeps what was typed in the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import QueryDict

from alignment.sampling import LEAST_RANDOM_SHARE
from annotator.models import (
    Goal,
    GuidelineVersion,
    ItemOrder,
    Judge,
    RationaleRule,
    User,
    Visibility,
)
from annotator.models.sessions import MOST_OVERLAP
from annotator.services.session_checks import (
    MOST_GRACE_MINUTES,
    MOST_ITEMS,
    MOST_PER_REVIEWER,
    SETTINGS,
)
from annotator.services.session_plans import Mix
from annotator.views.judge_forms import dress
from annotator.views.session_fields import (
    MOST_WEIGHT,
    ClockField,
    batch_that_fits,
    moment_at,
    offer,
    pks_in,
    shared_that_fits,
    time_zones,
    weight_in,
)

STEPS = ("what", "who", "when")
DIMENSIONS = [
    ("verdict", "the verdict"),
    ("side", "its side"),
    ("review", "whether anybody has reviewed them"),
    ("disagreement", "whether people, or people and judge, differ"),
    ("boundary", "whether the verdict is near a boundary"),
]
STRATUM = "mix:"
GUIDELINE = "guideline_"
_OF_STEP = {
    "what": {
        "name", "goal", "judges", "total", "random_share", "by", "with_reviewed", "with_unjudged", "with_taken",
        "picked", "removed", "seed",
    },
    "when": {"opens_at", "closes_at", "time_zone", "grace_minutes", "reminders"},
}  # fmt: skip

VISIBILITIES = [
    (Visibility.BLIND.value, "Blind: hidden, before and after the answer"),
    (Visibility.REVEALED.value, "Reveal: shown after the first answer, which may then be changed"),
    (Visibility.OPEN.value, "Open: shown from the start, for training"),
]
LEAST_RANDOM = round(100 * LEAST_RANDOM_SHARE)
EMPTY_TOTAL = "Say how many traces are to be reviewed."
EMPTY_REVIEWERS = "Choose at least one person who reviews."
EMPTY_JUDGES = "Choose the judge under whose name people answer."


class SessionForm(forms.Form):
    """What is reviewed, by whom and how, and when. Shares are asked for in per cent, times on the clocks of a time zone."""

    name = forms.CharField(
        max_length=200,
        error_messages={"required": "Give the session a name, such as “Refunds, week 12”."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    note = forms.CharField(
        required=False,
        max_length=2_000,
        label="A word to the reviewers",
        help_text="Stands in their calendar and on their page of the session.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    judges = forms.MultipleChoiceField(
        label="Under whose name people answer",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": EMPTY_JUDGES},
    )
    goal = forms.ChoiceField(choices=Goal.choices, widget=forms.RadioSelect)
    total = forms.IntegerField(
        label="Traces",
        min_value=1,
        max_value=MOST_ITEMS,
        error_messages={"required": EMPTY_TOTAL},
    )
    random_share = forms.IntegerField(
        label="Drawn at random (%)",
        min_value=LEAST_RANDOM,
        max_value=100,
        help_text=f"At least {LEAST_RANDOM} %: what is drawn at random tells how the judge does on everything.",
        error_messages={
            "min_value": f"Keep at least {LEAST_RANDOM} %% drawn at random, so that the figures hold for all traces."
        },
    )
    by = forms.MultipleChoiceField(
        required=False,
        label="Tell traces apart by",
        choices=DIMENSIONS,
        widget=forms.CheckboxSelectMultiple,
    )
    with_reviewed = forms.BooleanField(
        required=False, label="Also traces that have feedback under this name already"
    )
    with_unjudged = forms.BooleanField(
        required=False,
        label="Also traces without a verdict; they teach only once the judge has run",
    )
    with_taken = forms.BooleanField(
        required=False, label="Also traces that are in another session which is not over"
    )
    picked = forms.CharField(required=False, max_length=60_000, widget=forms.HiddenInput)
    removed = forms.CharField(required=False, max_length=60_000, widget=forms.HiddenInput)
    seed = forms.IntegerField(
        required=False, min_value=0, max_value=2**32 - 1, widget=forms.HiddenInput
    )

    reviewers = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": EMPTY_REVIEWERS}
    )
    per_reviewer = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_PER_REVIEWER,
        label="Traces per person",
        help_text="Empty: as many as it takes.",
    )
    overlap = forms.IntegerField(
        min_value=1,
        max_value=MOST_OVERLAP,
        label="People per trace",
        help_text=f"1 to {MOST_OVERLAP}; the shared ones go to everybody.",
    )
    shared_items = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_PER_REVIEWER,
        label="Shared by all, first",
        help_text="Everybody begins with these; agreement is measured on them. Empty: up to 3, as long as it takes at most a third more answers.",
    )
    third_opinion = forms.BooleanField(
        required=False, label="Ask one more person where people are tied"
    )
    visibility = forms.ChoiceField(
        label="The judge's verdict", choices=VISIBILITIES, widget=forms.RadioSelect
    )
    rationale_rule = forms.ChoiceField(
        label="A reason is asked for", choices=RationaleRule.choices, widget=forms.RadioSelect
    )
    item_order = forms.ChoiceField(
        label="Order", choices=ItemOrder.choices, widget=forms.RadioSelect
    )
    warm_up_items = forms.IntegerField(
        min_value=0,
        max_value=20,
        label="Warm-up",
        help_text="Settled traces to begin with; they explain, and count for nothing.",
    )
    take_more = forms.BooleanField(
        required=False, label="Who is done may take more of what others have left"
    )

    opens_at = ClockField(
        label="Opens", required=False, help_text="Empty: as soon as you schedule it."
    )
    closes_at = ClockField(
        label="Closes", error_messages={"required": "Say when the session closes."}
    )
    time_zone = forms.ChoiceField(label="Time zone", choices=time_zones)
    grace_minutes = forms.IntegerField(
        min_value=0,
        max_value=MOST_GRACE_MINUTES,
        label="Extra time (minutes)",
        help_text="After the end, for what is left.",
    )
    reminders = forms.BooleanField(
        required=False,
        label="Remind people at half time, when they have nothing done, and in the last hour",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        judges: Sequence[Judge],
        initial: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        """`judges` are those the lead may choose, with experiment, team and current version; `tags` tell traces apart."""
        super().__init__(data, initial=dict(initial or {}))
        self.all_judges = list(judges)
        offer(
            self,
            "by",
            [
                *DIMENSIONS,
                *((f"tag:{tag}", f"the tag {tag}") for tag in tags),
            ],
        )
        offer(self, "judges", [(str(judge.pk), judge.name) for judge in self.all_judges])
        self.chosen = self._chosen()
        self.people = self._people()
        offer(self, "reviewers", [(str(user.pk), str(user)) for user in self.people])
        for judge in self.chosen:
            self._add_guideline(judge)
        dress(self)
        if not self.is_bound and not self.initial.get("knows_zone", True):
            self.fields["time_zone"].widget.attrs["data-own-zone"] = "yes"

    @property
    def judge(self) -> Judge | None:
        """The first judge chosen, whose verdicts the mix is made of."""
        return self.chosen[0] if self.chosen else None

    @property
    def guideline_fields(self) -> list[forms.BoundField]:
        """One for each chosen judge that has more than one guideline version."""
        return [self[name] for name in self.fields if name.startswith(GUIDELINE)]

    def mix(self) -> Mix:
        """What the session is to be filled with, as far as it is typed; a field that is wrong takes what is usual."""
        usual, data = Mix(), self.cleaned_data if self.is_bound else self.initial
        total, share = data.get("total"), data.get("random_share")
        return Mix(
            total=int(total) if total else usual.total,
            random_share=int(share) / 100 if share else usual.random_share,
            by=tuple(data.get("by") or usual.by),
            weights=self.weights() or None,
            with_reviewed=bool(data.get("with_reviewed")),
            with_unjudged=bool(data.get("with_unjudged")),
            with_taken=bool(data.get("with_taken")),
            removed=frozenset(pks_in(str(data.get("removed") or ""))),
            picked=tuple(pks_in(str(data.get("picked") or ""))),
            seed=int(data.get("seed") or 0),
        )

    def weights(self) -> dict[str, float]:
        """The weight of each stratum that has a slider; none while the page has shown none."""
        source = self.data if self.is_bound else self.initial
        return {
            name.removeprefix(STRATUM): float(weight)
            for name, text in source.items()
            if name.startswith(STRATUM) and (weight := weight_in(str(text))) is not None
        }

    def weights_of(self, strata: Sequence[str]) -> dict[str, float]:
        """The weights of the strata that there are; an address may name others."""
        weights = self.weights()
        return {name: weights[name] for name in strata if name in weights}

    def keep_errors_of(self, steps: Sequence[str]) -> None:
        """Say nothing yet of fields in steps that nobody has been to."""
        for name in [name for name in self.errors if self.step_of(name) not in steps]:
            del self.errors[name]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone chosen."""
        return ZoneInfo(self.cleaned_data["time_zone"])

    def step_of(self, name: str) -> str:
        """The step that a field stands in."""
        if name == NON_FIELD_ERRORS:
            return "what"
        return next((step for step, names in _OF_STEP.items() if name in names), "who")

    @property
    def settings(self) -> dict[str, Any]:
        """What the session's row takes; call it when the form is valid."""
        data = self.cleaned_data
        people, total = len(data["reviewers"]), data["total"]
        kept = {name: data[name] for name in SETTINGS if name in data}
        kept["per_reviewer"] = data["per_reviewer"] or batch_that_fits(
            total=total, people=people, overlap=data["overlap"], shared=data["shared_items"]
        )
        kept["seed"] = data["seed"] or 0
        return kept

    @property
    def guidelines(self) -> dict[int, GuidelineVersion]:
        """The guideline version chosen, by the judge's pk."""
        chosen = {
            int(name.removeprefix(GUIDELINE)): int(self.cleaned_data[name])
            for name in self.fields
            if name.startswith(GUIDELINE) and self.cleaned_data.get(name)
        }
        versions = GuidelineVersion.objects.in_bulk(list(chosen.values()))
        return {judge: versions[pk] for judge, pk in chosen.items()}

    @property
    def reviewers_chosen(self) -> list[User]:
        """Those who are to review."""
        asked = {str(pk) for pk in (self["reviewers"].value() or [])}
        return [user for user in self.people if str(user.pk) in asked]

    def first_wrong_step(self, upto: str = STEPS[-1]) -> str | None:
        """The first step with an error, among the steps up to one."""
        wrong = {self.step_of(name) for name in self.errors}
        asked = STEPS[: STEPS.index(upto) + 1]
        return next((step for step in asked if step in wrong), None)

    def clean_judges(self) -> list[Judge]:
        """The judges, all of one experiment."""
        if len({judge.experiment_id for judge in self.chosen}) > 1:
            raise forms.ValidationError(
                "These judges belong to different experiments; a session has traces of one. Choose judges of one."
            )
        return self.chosen

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self._clean_window(data)
        if data.get("shared_items", 0) is None:
            fits = shared_that_fits(
                total=data.get("total") or 0, people=len(data.get("reviewers", []))
            )
            data["shared_items"] = min(fits, data.get("per_reviewer") or fits)
        people, overlap, shared = (
            len(data.get("reviewers", [])),
            data.get("overlap"),
            data.get("shared_items"),
        )
        if people and overlap and overlap > people:
            self.add_error(
                "overlap",
                f"{overlap} people are to answer each trace, but only {people} review; choose more people or a lower number.",
            )
        for name, text in self.data.items():
            if name.startswith(STRATUM) and str(text).strip() and weight_in(str(text)) is None:
                self.add_error(
                    None,
                    f"The weight of “{name.removeprefix(STRATUM)[:80]}” is no whole number from 0 to {MOST_WEIGHT}.",
                )
        total = data.get("total")
        if total and shared is not None and shared > total:
            self.add_error(
                "shared_items", f"Only {total} traces are chosen; share at most as many."
            )
        return data

    def _clean_window(self, data: dict[str, Any]) -> None:
        if "time_zone" not in data:
            return
        for name in ("opens_at", "closes_at"):
            clock = data.get(name)
            if clock is None:
                continue
            try:
                data[name] = moment_at(clock, self.zone)
            except ValueError as error:
                self.add_error(name, str(error))
        opens, closes = data.get("opens_at"), data.get("closes_at")
        if opens and closes and closes <= opens:
            self.add_error(
                "closes_at", "The session must close after it opens; choose a later time."
            )

    def _chosen(self) -> list[Judge]:
        asked = {str(pk) for pk in (self["judges"].value() or [])}
        return [judge for judge in self.all_judges if str(judge.pk) in asked]

    def _people(self) -> list[User]:
        teams = {judge.experiment.team_id for judge in self.chosen or self.all_judges}
        return list(
            User.objects.filter(memberships__team__in=teams, is_active=True)
            .distinct()
            .order_by("first_name", "username")
        )

    def _add_guideline(self, judge: Judge) -> None:
        versions = list(
            GuidelineVersion.objects.filter(judge=judge).defer("text").order_by("-number")
        )
        if len(versions) < 2:
            return
        self.fields[f"{GUIDELINE}{judge.pk}"] = forms.ChoiceField(
            required=False,
            label=f"Guideline of {judge.name}",
            choices=[
                (
                    str(version.pk),
                    f"version {version.number}{', in force' if version.pk == judge.guideline_id else ''}",
                )
                for version in versions
            ],
            initial=str(judge.guideline_id),
        )
