"""Guidelines: written, each change a version that says what it answers; and what a change touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Q

from annotator.models import (
    Assessment,
    DisagreementCause,
    GuidelineVersion,
    Judge,
    Settlement,
    Trace,
    User,
)
from annotator.models.hidden import hidden_from
from annotator.services import log
from annotator.services.judge_checks import JudgeServiceError, checked_texts
from annotator.services.labels import lock_judge, refresh_labels, touched_by_number
from judges.values import value_key

LINE_LENGTH = 2_000
NOTE_LENGTH = 500


def save_guideline(
    *,
    actor: User | None,
    judge: Judge,
    text: str,
    choose_when: Mapping[str, str],
    do_not_choose: Mapping[str, str] | None = None,
    example: Mapping[str, str] | None = None,
    change_note: str = "",
    touches_all: bool = False,
    answers: Iterable[DisagreementCause] = (),
) -> GuidelineVersion:
    """A new version of the experts' criteria, in force at once.

    Args:
        choose_when: Per value, by `value_key`, when to choose it.
        do_not_choose: Per value, when not to.
        example: Per value, an example in words.
        change_note: What changed, in a sentence for the reviewers.
        touches_all: Whether every earlier answer has to be looked at again.
        answers: The unclear places that this version makes clear.

    Raises:
        JudgeServiceError: when a value is none of the judge's, a text is too long, or nothing was changed.
    """
    text = checked_texts({"text": text})["text"]
    note = checked_texts({"note": change_note})["note"].strip()
    with transaction.atomic():
        lock_judge(judge)
        lines = {
            "choose_when": _checked_lines(judge, choose_when, "choose_when"),
            "do_not_choose": _checked_lines(judge, do_not_choose or {}, "do_not_choose"),
            "example": _checked_lines(judge, example or {}, "example"),
        }
        before = judge.guideline
        if (
            before
            and before.text == text
            and all(getattr(before, name) == kept for name, kept in lines.items())
        ):
            raise JudgeServiceError(
                "Nothing was changed, so there is no new version to save.", field="text"
            )
        number = judge.guidelines.aggregate(last=Max("number"))["last"] or 0
        guideline = GuidelineVersion.objects.create(
            judge=judge,
            number=number + 1,
            text=text,
            change_note=note,
            touches_all=touches_all,
            created_by=actor,
            **lines,
        )
        judge.guideline = guideline
        judge.save(update_fields=["guideline"])
        gaps = DisagreementCause.objects.open_gaps().filter(
            judge=judge, pk__in=[gap.pk for gap in answers]
        )
        rows = list(gaps.values_list("trace__trace_id", flat=True))
        gaps.update(answered_by=guideline)
        log.record(
            actor=actor,
            action="wrote guideline",
            target=judge,
            team=judge.experiment.team,
            name=judge.name,
            before=_summary(before) if before else None,
            after={**_summary(guideline), "because_of": rows},
        )
        if judge.only_current_guideline:
            refresh_labels(judge=judge)
    return guideline


@dataclass(frozen=True, kw_only=True)
class TouchedTrace:
    """A trace with answers that the guideline in force words differently.

    Attributes:
        answers: Who answered what under which version of the guideline (0 before the first).
    """

    trace_pk: int
    answers: tuple[tuple[str, str, int], ...]


def touched_traces(judge: Judge, *, user: User | None = None) -> list[TouchedTrace]:
    """What has to be looked at again after changes of the guideline, newest trace first; in three queries.

    A trace whose label was settled under the wording in force is done, and so is an answer that was given again.

    Args:
        user: Only this person's own answers, without what a session still hides; None for everybody's.
    """
    if judge.guideline is None:
        return []
    touched = touched_by_number(judge)
    answers = Assessment.objects.human().for_judge(judge).filter(span_id="")
    answers = answers.filter(Q(guideline=None) | Q(guideline__number__lt=judge.guideline.number))
    hidden: frozenset[int] = frozenset()
    if user is not None:
        answers = answers.filter(Q(author=user) | Q(source_id=user.username))
        hidden = hidden_from(user).traces_of(judge.name)
    settled = {
        trace
        for trace, key, number in Settlement.objects.in_force()
        .filter(judge=judge)
        .values_list("trace_id", "value_key", "guideline__number")
        if not touched[number or 0].touches(key)
    }
    found: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for trace, person, key, number in answers.order_by("created_at", "pk").values_list(
        "trace_id", "source_id", "value_key", "guideline__number"
    ):
        is_touched = touched[number or 0].touches(key)
        if is_touched and trace not in settled and trace not in hidden:
            found[trace].append((person, key, number or 0))
    return [
        TouchedTrace(trace_pk=trace, answers=tuple(found[trace]))
        for trace in sorted(found, reverse=True)
    ]


@dataclass(frozen=True, kw_only=True)
class GuidelineNews:
    """What changed in a guideline since somebody's last answer.

    Attributes:
        since: The number of the version they answered by; 0 for none.
        current: The version in force.
        earlier: The version they answered by; None for none.
        keys: The values that are worded differently now, by `value_key`, in the judge's order.
        is_text_changed: Whether the criteria as a whole read differently.
        everything: Whether every earlier answer has to be looked at again.
        to_redo: How many of their own answers the change touches.
    """

    since: int
    current: GuidelineVersion
    earlier: GuidelineVersion | None
    keys: tuple[str, ...]
    is_text_changed: bool
    everything: bool
    to_redo: int


def news_for(judge: Judge, user: User) -> GuidelineNews | None:
    """What a reviewer should know before the next answer; None without a change since the last one.

    It is gone by itself once they have answered by the new version.
    """
    current = judge.guideline
    if current is None:
        return None
    own = Assessment.objects.human().for_judge(judge).filter(span_id="")
    own = own.filter(Q(author=user) | Q(source_id=user.username))
    last = own.select_related("guideline").order_by("-created_at", "-pk").first()
    if last is None or last.guideline_id == current.pk:
        return None
    earlier = last.guideline
    since = earlier.number if earlier else 0
    touched = touched_by_number(judge)[since]
    return GuidelineNews(
        since=since,
        current=current,
        earlier=earlier,
        keys=tuple(
            value_key(value)
            for value in judge.value_type.choices
            if value_key(value) in touched.keys
        ),
        is_text_changed=(earlier.text if earlier else "") != current.text,
        everything=touched.everything,
        to_redo=len(touched_traces(judge, user=user)),
    )


def pinned_examples(
    judge: Judge, *, user: User, besides: Trace | None = None
) -> dict[str, list[Settlement]]:
    """Settled traces that stand in the guideline, by `value_key`, oldest first.

    Left out are the trace that is just being reviewed, and those the user has yet to answer for in a session.
    """
    pinned = Settlement.objects.pinned().filter(judge=judge).select_related("trace")
    pinned = pinned.exclude(trace__in=hidden_from(user).traces_of(judge.name))
    if besides is not None:
        pinned = pinned.exclude(trace=besides)
    found: dict[str, list[Settlement]] = defaultdict(list)
    for each in pinned.defer(
        "trace__inputs", "trace__outputs", "trace__metadata", "trace__search_text"
    ).order_by("pinned_at", "pk"):
        found[each.value_key].append(each)
    return dict(found)


def _checked_lines(judge: Judge, lines: Mapping[str, str], field: str) -> dict[str, str]:
    allowed = {value_key(value) for value in judge.value_type.choices}
    for key, line in lines.items():
        if key not in allowed:
            raise JudgeServiceError(f"“{key}” is none of this judge's values.", field=field)
        if len(line) > LINE_LENGTH:
            raise JudgeServiceError(
                f"What is said of “{key}” is longer than {LINE_LENGTH:,} characters; shorten it.",
                field=field,
            )
    stripped = {key: checked_texts({"text": line})["text"].strip() for key, line in lines.items()}
    return {key: line for key, line in stripped.items() if line}


def _summary(guideline: GuidelineVersion) -> dict[str, object]:
    return {
        "number": guideline.number,
        "text": guideline.text,
        "choose_when": guideline.choose_when,
        "do_not_choose": guideline.do_not_choose,
        "example": guideline.example,
        "touches_all": guideline.touches_all,
        "note": guideline.change_note,
    }
