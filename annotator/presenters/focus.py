"""The review screen: one item of a person's batch, the form to answer it with, and what of the judge may be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.urls import reverse

from annotator.forms import FeedbackForm
from annotator.keymap import ACTIONS, CHOICES, DEFAULTS, KeyMap
from annotator.models import (
    Assessment,
    Assignment,
    AssignmentState,
    GuidelineVersion,
    Judge,
    RationaleRule,
    SessionJudge,
    SkipReason,
    Visibility,
)
from annotator.presenters.reading import shorten
from judges.values import value_key

CONFIDENCES = {"low": "not sure", "medium": "fairly sure", "high": "very sure"}
FLAG_REASONS = (
    "Personal or secret data",
    "Broken or incomplete",
    "Harmful or unsafe",
    "Good example to talk about",
    "Something else",
)
_TITLE_LENGTH = 140
_STATE_WORDS = {"todo": "to do"}
_ARROWS = {"ArrowUp": "↑", "ArrowDown": "↓", "ArrowLeft": "←", "ArrowRight": "→"}


@dataclass(frozen=True, kw_only=True)
class SaveLine:
    """How saving stands, in words; `at` belongs behind the words, or in the place of `{time}` in them."""

    text: str
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Option:
    """An answer to choose, and the cap of the key that does so."""

    key: str
    value: Any
    choose_when: str
    cap: str
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class JudgeTab:
    """One of the judges that the session asks for on this trace."""

    judge: Judge
    address: str
    state: str
    is_here: bool

    @property
    def state_word(self) -> str:
        """The state as it is read out."""
        return _STATE_WORDS.get(self.state, self.state)


@dataclass(frozen=True, kw_only=True)
class GuidelineChanges:
    """What changed in the guideline since the version that the person last answered by.

    Attributes:
        since: That version's number.
        keys: The values, by `value_key`, that are worded differently now.
        is_text_changed: Whether the general text was rewritten.
        note: What whoever changed it says of it.
    """

    since: int
    keys: frozenset[str]
    is_text_changed: bool
    note: str


@dataclass(kw_only=True)
class Step:
    """One item under one judge's name, as the screen shows it."""

    assignment: Assignment
    session_judge: SessionJudge
    number: int
    tabs: tuple[JudgeTab, ...]
    mine: Assessment | None
    draft: Mapping[str, str]
    keys: Mapping[str, str]
    form: FeedbackForm
    read_only: bool
    submission: str
    changes: GuidelineChanges | None = None
    previous_address: str = ""
    next_address: str = ""
    about: str = ""
    about_text: str = ""
    cannot_show: bool = False
    verdict_key: str | None = None
    span_answers: Sequence[tuple[str, Assessment]] = field(default_factory=tuple)

    confidences = CONFIDENCES

    @property
    def pk(self) -> int:
        """The assignment's pk, which the page knows the step by."""
        return self.assignment.pk

    @property
    def judge(self) -> Judge:
        """The judge under whose name the answer goes."""
        return self.session_judge.judge

    @property
    def guideline(self) -> GuidelineVersion | None:
        """The criteria that hold in the session."""
        return self.session_judge.guideline

    @property
    def title(self) -> str:
        """The first words of the trace."""
        trace = self.assignment.item.trace
        return f"{self.number}. {shorten(trace.request_preview, _TITLE_LENGTH) or trace.trace_id}"

    @property
    def is_shared(self) -> bool:
        """Whether everybody in the session answers it."""
        return self.assignment.item.is_shared

    @property
    def is_warm_up(self) -> bool:
        """Whether it is there to practise on."""
        return self.assignment.item.is_warm_up

    @property
    def visibility(self) -> str:
        """What of the verdict is shown in the session."""
        return self.assignment.item.session.visibility

    @property
    def address(self) -> str:
        """The page of this step."""
        return item_address(self.assignment.item.session_id, self.pk, self.judge.pk)

    @property
    def post_address(self) -> str:
        """Where the form is sent."""
        return self.address

    @property
    def onward_address(self) -> str:
        """What comes after it, for who has no script."""
        session = self.assignment.item.session_id
        return f"{reverse('batch-review', args=[session])}?after={self.pk}"

    @property
    def state(self) -> str:
        """Where this judge's answer stands."""
        return state_of(self.assignment, self.judge, self.mine)

    @property
    def question(self) -> str:
        """What is asked, in plain words."""
        return self.judge.description or f"What is your answer for “{self.judge.name}”?"

    @property
    def options(self) -> tuple[Option, ...]:
        """The answers to choose from; none where an answer is written."""
        chosen = self.typed_value
        choose_when = self.guideline.choose_when if self.guideline else {}
        return tuple(
            Option(
                key=value_key(value),
                value=value,
                choose_when=str(choose_when.get(value_key(value)) or ""),
                cap=self.keys.get(f"choose_{position}", ""),
                is_chosen=chosen == value_key(value),
            )
            for position, value in enumerate(self.judge.value_type.choices, start=1)
        )

    @property
    def typed_value(self) -> str:
        """The person's own value so far: as it came back, as a draft, as submitted. Never the judge's."""
        if self.form.is_bound:
            return str(self.form["value"].value() or "")
        if self.about:
            return ""
        if self.draft.get("value"):
            return self.draft["value"]
        return "" if self.mine is None or self.mine.value is None else value_key(self.mine.value)

    @property
    def rationale(self) -> str:
        """The person's own reason so far."""
        if self.form.is_bound:
            return str(self.form["rationale"].value() or "")
        if self.about:
            return ""
        if self.draft.get("rationale"):
            return self.draft["rationale"]
        return self.mine.rationale if self.mine else ""

    @property
    def confidence(self) -> str:
        """How sure the person said to be."""
        return self._extra("confidence")

    @property
    def expected(self) -> str:
        """What the person said that the application should have said."""
        return self._extra("expected")

    @property
    def needs_reason(self) -> bool:
        """Whether every answer needs a reason."""
        rule = self.assignment.item.session.rationale_rule
        return rule == RationaleRule.ALWAYS and not self.about and not self.is_warm_up

    @property
    def asks_on_disagreement(self) -> bool:
        """Whether a reason is needed as soon as the choice differs from the verdict that is shown."""
        rule = self.assignment.item.session.rationale_rule
        is_shown = self.visibility == Visibility.OPEN and self.verdict_key is not None
        return is_shown and rule == RationaleRule.ON_DISAGREEMENT and not self.about

    @property
    def is_one_key(self) -> bool:
        """Whether one choice may be the whole answer."""
        many = len(self.judge.value_type.choices)
        return 0 < many <= CHOICES and not self.needs_reason and not self.about

    @property
    def after(self) -> str:
        """What follows a submit: the next item at once, or first what there is to see here."""
        shows = self.is_warm_up or self.visibility == Visibility.REVEALED
        return "panel" if shows else "advance"

    @property
    def submit_text(self) -> str:
        """What the button says."""
        if self.about:
            return "Submit for this part"
        return "Submit the correction" if self.state == "done" else "Submit"

    @property
    def save_line(self) -> SaveLine:
        """How saving stands when the step is opened."""
        return save_line(self.assignment, self.judge, self.mine)

    def _extra(self, name: str) -> str:
        if name in self.draft:
            return self.draft[name]
        return str(self.mine.metadata.get(name, "")) if self.mine and not self.about else ""


@lru_cache(maxsize=20_000)  # lists have one in each line
def item_address(session: int, assignment: int, judge: int | None = None) -> str:
    """The page of an item, all by pk; without a judge the server opens the first that waits."""
    address = reverse("batch-item", args=[session, assignment])
    return address if judge is None else f"{address}?judge={judge}"


def state_of(assignment: Assignment, judge: Judge, mine: Assessment | None) -> str:
    """Where one judge's answer stands: todo, draft, done, skipped or flagged."""
    is_practised = assignment.item.is_warm_up and (
        assignment.state == AssignmentState.DONE or assignment.has_practised(judge.pk)
    )
    if mine is not None or is_practised:
        return "done"
    if assignment.state in (AssignmentState.SKIPPED, AssignmentState.FLAGGED):
        return assignment.state.lower()
    return "draft" if str(judge.pk) in assignment.drafts else "todo"


def save_line(assignment: Assignment, judge: Judge, mine: Assessment | None) -> SaveLine:
    """How saving stands, in words."""
    state = state_of(assignment, judge, mine)
    if mine is not None:
        is_edited = mine.overrides_id is not None
        return SaveLine(text="Submitted, edited" if is_edited else "Submitted", at=mine.created_at)
    if state == "done":
        return SaveLine(text="Practised", at=assignment.submitted_at)
    if state == "draft":
        return SaveLine(text="Draft saved", at=assignment.drafted_at)
    return SaveLine(text={"skipped": "Skipped", "flagged": "Flagged"}.get(state, "Not started"))


def guideline_changes(old: GuidelineVersion, new: GuidelineVersion) -> GuidelineChanges | None:
    """What a person who last answered by the old version has to know of the new one; None when it reads the same."""
    keys = frozenset(
        key
        for name in ("choose_when", "do_not_choose", "example")
        for key in (*getattr(new, name), *getattr(old, name))
        if (getattr(new, name).get(key) or "") != (getattr(old, name).get(key) or "")
    )
    is_text_changed = old.text.strip() != new.text.strip()
    if not keys and not is_text_changed:
        return None
    return GuidelineChanges(
        since=old.number, keys=keys, is_text_changed=is_text_changed, note=new.change_note
    )


def skip_reasons() -> list[tuple[str, str]]:
    """Why an item may be left out; keys 1 to 5."""
    return [(str(value), str(text)) for value, text in SkipReason.choices]


def flag_reasons() -> list[tuple[str, str]]:
    """What a lead may be asked to look at; keys 1 to 5."""
    return [(text, text) for text in FLAG_REASONS]


def caps(keys: Mapping[str, str]) -> dict[str, str]:
    """What stands on the controls: the person's keys, arrows as arrows."""
    return {name: _ARROWS.get(keys[name], keys[name]) for name in DEFAULTS}


def key_rows(keys: KeyMap) -> list[dict[str, str]]:
    """The sheet of all keys: each with what it does, and the arrow that does the same."""
    firsts = caps(keys.keys)
    return [
        {
            "key": firsts[action.name],
            "second": _ARROWS.get(keys.second_keys.get(action.name, ""), ""),
            "text": action.text,
            "note": action.note,
        }
        for action in ACTIONS
    ]
