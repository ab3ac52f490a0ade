"""Agreement of first answers, apart by what was seen before; and people who answer otherwise than all others."""

from __future__ import annotations

import pytest

from alignment.anchoring import FirstAnswer, split_by_visibility
from alignment.intervals import difference
from alignment.outliers import LEAST_SHARED, outliers


def answers(visibility: str, *pairs: tuple[str, str], start: int = 0) -> list[FirstAnswer]:
    """One answer an item: (what the person said, what the judge said)."""
    return [
        FirstAnswer(
            item=f"{visibility}{number}",
            person="anna",
            value=value,
            verdict=verdict,
            visibility=visibility,
            final=value,
        )
        for number, (value, verdict) in enumerate(pairs, start=start)
    ]


def test_anchoring_is_how_much_oftener_the_verdict_is_echoed_when_it_was_seen_first() -> None:
    blind = answers("BLIND", *[("good", "good")] * 6, *[("good", "poor")] * 4)
    revealed = answers("REVEALED", *[("good", "good")] * 6, *[("poor", "good")] * 4)
    seen = answers("OPEN", *[("good", "good")] * 19, ("good", "poor"))
    found = split_by_visibility([*blind, *revealed, *seen])
    assert list(found.groups) == ["BLIND", "REVEALED", "OPEN"]
    shares = [group.with_judge.value for group in found.groups.values()]
    assert shares == [0.6, 0.6, 0.95]
    assert found.anchoring.value == pytest.approx(0.35)
    assert found.anchoring.n == 40
    assert found.anchoring.low is not None
    assert found.anchoring.low > 0, "20 and 20 answers suffice to tell 60 % from 95 %"


def test_without_both_kinds_anchoring_is_undefined_and_says_why() -> None:
    found = split_by_visibility(answers("BLIND", ("good", "good")))
    assert found.anchoring.value is None
    assert "before the verdict was seen" in found.anchoring.why
    assert "OPEN" not in found.groups
    assert split_by_visibility([]).alpha.value is None


def test_of_those_who_differed_from_a_verdict_shown_later_some_gave_in() -> None:
    kept, changed = answers("REVEALED", ("good", "poor"), ("good", "poor"))
    changed = FirstAnswer(**{**changed.__dict__, "final": "poor"})
    agreed = answers("REVEALED", ("good", "good"), start=2)
    found = split_by_visibility([kept, changed, *agreed])
    assert (found.gave_in.value, found.gave_in.n) == (0.5, 2)


def test_an_answer_without_a_verdict_counts_among_people_only() -> None:
    pair = [
        FirstAnswer(item="a", person=person, value="good", visibility="BLIND")
        for person in ("anna", "ben")
    ]
    found = split_by_visibility(pair)
    assert (found.people, found.answers, found.same_answer.value) == (2, 2, 1.0)
    assert found.groups["BLIND"].with_judge.value is None


def test_the_difference_of_two_shares_has_newcombes_interval() -> None:
    # Newcombe 1998, table II, method 10, cell (a): 56/70 - 48/80
    found = difference((48, 80), (56, 70), why="")
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.0524, abs=1e-4)
    assert found.high == pytest.approx(0.3339, abs=1e-4)
    assert difference((0, 0), (1, 1), why="Nothing.").why == "Nothing."


def ratings(times: int, **values: str) -> dict[str, dict[str, str]]:
    return {f"{number} {'-'.join(values.values())}": dict(values) for number in range(times)}


def test_one_who_stands_alone_again_and_again_is_found_with_what_and_where() -> None:
    found = outliers(
        {
            **ratings(20, anna="good", ben="good", carl="poor"),
            **ratings(5, anna="fair", ben="fair", carl="fair"),
        }
    )
    assert [each.person for each in found] == ["carl"]
    assert found[0].pair == ("poor", "good", 40)
    assert len(found[0].items) == 20
    assert (found[0].agreement.value, found[0].others.value) == (0.2, 1.0)


def test_nobody_is_named_for_few_items_or_for_what_chance_explains() -> None:
    few = ratings(LEAST_SHARED - 1, anna="good", ben="good", carl="poor")
    assert outliers(few) == []
    mixed = {
        **ratings(10, anna="good", ben="good", carl="good"),
        **{
            f"x{key}": value
            for key, value in ratings(3, anna="good", ben="good", carl="poor").items()
        },
        **{
            f"y{key}": value
            for key, value in ratings(3, anna="poor", ben="good", carl="good").items()
        },
    }
    assert outliers(mixed) == []
    assert outliers(ratings(30, anna="good", ben="poor")) == [], "of two nobody knows who is right"
