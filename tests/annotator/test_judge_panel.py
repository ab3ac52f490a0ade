"""What the review screen shows of the judge, the guideline and what was settled, and when."""

from __future__ import annotations

import pytest
from django.test import Client

from annotator.models import (
    Assessment,
    AssignmentState,
    GuidelineVersion,
    Judge,
    Team,
    User,
)
from tests.annotator.batch_world import (
    answer_all,
    batch,
    create_batch,
    item_address,
    page_text,
    state_of,
)
from tests.factories import create_experiment, create_feedback, create_judge, create_trace

HTMX = {"HX-Request": "true"}


@pytest.fixture
def judge(team: Team) -> Judge:
    """A judge of four grades."""
    return create_judge(experiment=create_experiment(team=team))


def test_nothing_is_chosen_beforehand_and_a_blind_page_says_nothing_of_the_judge(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    page = page_text(as_alice, item_address(batch(session, alice)[0]))
    assert "checked" not in page.partition('id="focus-answer"')[2].partition("</form>")[0]
    assert "It names a day." not in page
    assert "The judge said" not in page
    answer_all(session, alice, "poor")
    assert "It names a day." not in page_text(as_alice, item_address(batch(session, alice)[0]))


def test_an_open_page_shows_the_verdict_above_the_form(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice], visibility="OPEN")
    page = page_text(as_alice, item_address(batch(session, alice)[0]))
    assert page.index("It names a day.") < page.index('id="focus-answer"')


def test_a_revealed_verdict_comes_after_the_answer_and_both_answers_are_kept(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice], visibility="REVEALED")
    first = batch(session, alice)[0]
    assert "It names a day." not in page_text(as_alice, item_address(first))
    answer = as_alice.post(item_address(first), {"value": "poor", "submission": "a1"})
    page = page_text(as_alice, answer["Location"])
    assert "It names a day." in page
    assert "You said poor: the judge sees it differently." in page
    as_alice.post(item_address(first), {"value": "good", "submission": "a2"})
    second = Assessment.objects.human().get(author=alice)
    assert second.value == "good"
    assert second.first_answer is not None
    assert second.first_answer.value == "poor"
    assert "Submitted, edited" in page_text(as_alice, item_address(first))


def test_who_differs_from_a_revealed_verdict_owes_a_reason_to_keep_the_answer(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(
        judges=[judge], reviewers=[alice], visibility="REVEALED", rationale_rule="ON_DISAGREEMENT"
    )
    first, second, _ = batch(session, alice)
    answer = as_alice.post(item_address(first), {"value": "poor", "submission": "a1"}, headers=HTMX)
    assert "needed because you disagree with the judge" in answer.content.decode()
    assert state_of(first) == AssignmentState.DRAFT
    as_alice.post(item_address(first), {"action": "keep", "rationale": "It names no day."})
    assert state_of(first) == AssignmentState.DONE
    kept = Assessment.objects.human().get(author=alice)
    assert (kept.value, kept.rationale) == ("poor", "It names no day.")
    agreeing = as_alice.post(
        item_address(second), {"value": "good", "submission": "a2"}, headers=HTMX
    ).content.decode()
    assert "the judge agrees" in agreeing
    assert "needed because" not in agreeing


def test_a_warm_up_item_explains_itself_after_the_answer_and_is_nobodys_feedback(
    as_alice: Client, alice: User, lena: User, judge: Judge
) -> None:
    settled = create_trace(experiment=judge.experiment, question="An old question")
    create_feedback(
        judge=judge, trace=settled, author=lena, value="poor", rationale="It names no day."
    )
    session = create_batch(judges=[judge], reviewers=[alice], warm_up_items=1)
    place = batch(session, alice)[0]
    page = page_text(as_alice, item_address(place))
    assert "warm-up" in page
    assert "It names no day." not in page
    answer = as_alice.post(item_address(place), {"value": "good", "submission": "a1"})
    page = page_text(as_alice, answer["Location"])
    assert "It was settled as" in page
    assert "It names no day." in page
    assert not Assessment.objects.human().filter(author=alice).exists()


def test_what_changed_in_the_guideline_since_the_last_answer_is_said(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    for number, poor in ((1, "Wrong."), (2, "Wrong, or names no day.")):
        judge.guideline = GuidelineVersion.objects.create(
            judge=judge, number=number, text="Grade it.", choose_when={"poor": poor}
        )
        judge.save()
        if number == 1:
            create_feedback(
                judge=judge, trace=create_trace(experiment=judge.experiment), author=alice
            )
    session = create_batch(judges=[judge], reviewers=[alice])
    page = page_text(as_alice, item_address(batch(session, alice)[0]))
    assert "The guideline changed since your last answers." in page
    assert "Changed since version 1, by which you last answered." in page
    assert page.count("new wording</span>") == 1
    assert page.count("Wrong, or names no day.") == 2
