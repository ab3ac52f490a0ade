"""What a change of the guideline touches."""

from __future__ import annotations

from alignment.wording import Touched, Wording, touched_since

FIRST = Wording(number=1, choose_when={"good": "It helps.", "poor": "It does not."})


def touched(*versions: Wording) -> dict[int, set[str]]:
    return {number: set(each.keys) for number, each in touched_since(versions).items()}


def test_without_a_guideline_nothing_is_touched() -> None:
    assert touched_since([]) == {}


def test_the_first_guideline_touches_what_it_words() -> None:
    assert touched(FIRST) == {0: {"good", "poor"}, 1: set()}


def test_each_of_the_three_texts_of_a_value_counts() -> None:
    for name in ("choose_when", "do_not_choose", "example"):
        texts = {**getattr(FIRST, name), "poor": "It misleads."}
        second = Wording(
            **{"number": 2, "choose_when": FIRST.choose_when, name: texts}  # type: ignore[arg-type]
        )
        assert touched(FIRST, second)[1] == {"poor"}, name


def test_a_wording_put_back_touches_nothing_of_those_who_went_by_it() -> None:
    second = Wording(number=2, choose_when={**FIRST.choose_when, "poor": "It misleads."})
    third = Wording(number=3, choose_when=FIRST.choose_when)
    assert touched(third, FIRST, second) == {0: {"good", "poor"}, 1: set(), 2: {"poor"}, 3: set()}


def test_a_change_that_touches_everything_touches_all_answers_before_it() -> None:
    second = Wording(number=2, choose_when=FIRST.choose_when, touches_all=True)
    third = Wording(number=3, choose_when=FIRST.choose_when)
    found = touched_since([FIRST, second, third])
    assert [found[number].everything for number in range(4)] == [True, True, False, False]
    assert found[1].touches("")
    assert not found[2].touches("good")
    assert Touched(keys=frozenset({"poor"})).touches("poor")
