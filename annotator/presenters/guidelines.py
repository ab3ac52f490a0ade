"""A guideline as pages show it: value by value, and as one text to compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from annotator.models import GuidelineVersion, Judge, Settlement
from annotator.presenters.words import value_text
from judges.values import Value, value_key


@dataclass(frozen=True, kw_only=True)
class ValueWords:
    """What a guideline says of one value.

    Attributes:
        pinned: Settled traces that stand for it.
        is_changed: Whether it reads differently than in the version the reader went by.
    """

    value: Value
    choose_when: str
    do_not_choose: str
    example: str
    pinned: tuple[Settlement, ...] = ()
    is_changed: bool = False


def value_words(
    judge: Judge,
    guideline: GuidelineVersion,
    *,
    pinned: Mapping[str, Sequence[Settlement]] | None = None,
    changed: Collection[str] = (),
) -> list[ValueWords]:
    """What the guideline says of each of the judge's values, in their order."""
    pinned = pinned or {}
    found = []
    for value in judge.value_type.choices:
        key = value_key(value)
        found.append(
            ValueWords(
                value=value,
                choose_when=guideline.choose_when.get(key, ""),
                do_not_choose=guideline.do_not_choose.get(key, ""),
                example=guideline.example.get(key, ""),
                pinned=tuple(pinned.get(key, ())),
                is_changed=key in changed,
            )
        )
    return found


def plain_text(judge: Judge, guideline: GuidelineVersion | None) -> str:
    """The whole guideline as one text, for comparing two of them; empty for none."""
    if guideline is None:
        return ""
    blocks = [guideline.text.strip()]
    for words in value_words(judge, guideline):
        lines = [
            f"{lead}: {line}"
            for lead, line in (
                ("Choose it when", words.choose_when),
                ("Do not choose it when", words.do_not_choose),
                ("Example", words.example),
            )
            if line
        ]
        if lines:
            blocks.append("\n".join([value_text(words.value, judge.value_type), *lines]))
    return "\n\n".join(block for block in blocks if block)
