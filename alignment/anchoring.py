"""What seeing the verdict does to people: agreement of first answers, apart by what was seen before answering.

Who reads the judge's verdict first agrees with it more often. How much more is a number here, so that nobody takes an
echo for agreement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alignment.agreement import Ratings, krippendorff_alpha, percent_agreement
from alignment.coding import cohen_kappa, encode
from alignment.intervals import Figure, difference, proportion, undefined
from judges.values import Value, value_key

__all__ = ["FirstAnswer", "SplitAgreement", "VisibilityGroup", "split_by_visibility"]

BLIND, REVEALED, OPEN = "BLIND", "REVEALED", "OPEN"

_NO_VERDICT = "No answer stands against a verdict here."
_ONE_KIND = "This takes answers given before the verdict was seen, and others given after."
_NONE_DIFFERED = "Nobody's first answer differed from a verdict shown afterwards."


@dataclass(frozen=True, kw_only=True)
class FirstAnswer:
    """What one person first said of one item.

    Attributes:
        item: The trace, under one judge's name.
        person: Who.
        value: The first answer.
        visibility: BLIND (verdict hidden), REVEALED (shown after this answer), OPEN (shown before), "" where unknown.
        verdict: The verdict there was at the time, else the first one after; None without any.
        final: The answer in force now; None when it was taken back.
    """

    item: str
    person: str
    value: Value
    visibility: str = ""
    verdict: Value | None = None
    final: Value | None = None


@dataclass(frozen=True, kw_only=True)
class VisibilityGroup:
    """The answers given in one way.

    Attributes:
        answers: How many there are.
        with_judge: The share of answers that equal the verdict; n counts answers.
        kappa: The same beyond chance (Cohen).
        alpha: Krippendorff's alpha among the people of this group; n counts items that two of them answered.
    """

    answers: int
    with_judge: Figure
    kappa: Figure
    alpha: Figure


@dataclass(frozen=True, kw_only=True)
class SplitAgreement:
    """Agreement on first answers, together and apart by visibility.

    Attributes:
        answers: How many first answers there are.
        people: How many people gave them.
        alpha: Krippendorff's alpha among all of them, ordinal where the values have an order.
        same_answer: How often two people who answered the same item said the same.
        groups: By visibility, BLIND, REVEALED, OPEN in this order; only those with answers.
        anchoring: By how much the share that equals the verdict is higher where it was seen before answering.
        gave_in: Of the first answers that differed from a verdict shown afterwards, the share then changed to it.
    """

    answers: int
    people: int
    alpha: Figure
    same_answer: Figure
    groups: dict[str, VisibilityGroup]
    anchoring: Figure
    gave_in: Figure


def split_by_visibility(
    answers: Iterable[FirstAnswer], *, order: Sequence[Value] | None = None
) -> SplitAgreement:
    """All figures of agreement on first answers.

    Args:
        answers: At most one a person and item.
        order: The values from lowest to highest, where their order means something.
    """
    known = list(answers)
    groups: dict[str, list[FirstAnswer]] = defaultdict(list)
    for answer in known:
        groups[answer.visibility].append(answer)
    ratings = ratings_of(known)
    seen, unseen = groups[OPEN], [*groups[BLIND], *groups[REVEALED]]
    differing = [
        answer
        for answer in groups[REVEALED]
        if answer.verdict is not None and value_key(answer.value) != value_key(answer.verdict)
    ]
    gave_in = sum(value_key(answer.final) == value_key(answer.verdict) for answer in differing)
    return SplitAgreement(
        answers=len(known),
        people=len({answer.person for answer in known}),
        alpha=_alpha(ratings, order),
        same_answer=percent_agreement(ratings),
        groups={
            visibility: VisibilityGroup(
                answers=len(groups[visibility]),
                with_judge=proportion(*_hits(groups[visibility]), why=_NO_VERDICT),
                kappa=_kappa(groups[visibility]),
                alpha=_alpha(ratings_of(groups[visibility]), order),
            )
            for visibility in (BLIND, REVEALED, OPEN)
            if groups[visibility]
        },
        anchoring=difference(_hits(unseen), _hits(seen), why=_ONE_KIND),
        gave_in=proportion(gave_in, len(differing), why=_NONE_DIFFERED),
    )


def ratings_of(answers: Iterable[FirstAnswer]) -> dict[str, dict[str, Value]]:
    """Item -> person -> value, as the figures of agreement take them."""
    ratings: dict[str, dict[str, Value]] = defaultdict(dict)
    for answer in answers:
        ratings[answer.item][answer.person] = answer.value
    return dict(ratings)


def _alpha(ratings: Ratings, order: Sequence[Value] | None) -> Figure:
    return krippendorff_alpha(ratings, "ordinal" if order else "nominal", order=order)


def _hits(answers: Iterable[FirstAnswer]) -> tuple[int, int]:
    same = [
        value_key(answer.value) == value_key(answer.verdict)
        for answer in answers
        if answer.verdict is not None
    ]
    return sum(same), len(same)


def _kappa(answers: Iterable[FirstAnswer]) -> Figure:
    pairs = [
        {"person": answer.value, "judge": answer.verdict}
        for answer in answers
        if answer.verdict is not None
    ]
    if not pairs:
        return undefined(_NO_VERDICT)
    _, codes, _ = encode(pairs)
    return cohen_kappa(codes)
