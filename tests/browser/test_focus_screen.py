"""The review screen of a batch, as an expert works in it: by keys, offline, on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import Assessment, FeedbackSession, Judge, Preferences, User
from tests.annotator.batch_world import batch, create_batch
from tests.browser.focus_helpers import answers_of, see_saved, see_title
from tests.factories import create_feedback, create_judge, create_trace
from tests.processes import eventually

CHAT = {
    "messages": [
        message
        for number in range(1, 101)
        for message in (
            {"role": "user", "content": f"Where is parcel {number}?"},
            {"role": "assistant", "content": f"Parcel **{number}** is in Bonn."},
        )
    ]
}


def test_ten_feedbacks_take_ten_key_presses(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    alice: User,
    quality: Judge,
    complaints: list[str],
) -> None:
    open_batch(create_batch(judges=[quality], reviewers=[alice], items=10))
    for number in range(1, 11):
        see_title(page, f"Question {number}")
        page.keyboard.press(str(number % 4 + 1))
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
    choices = quality.value_type.choices
    assert answers_of(alice) == [choices[number % 4] for number in range(1, 11)]
    assert complaints == []


def test_the_verdict_slides_in_and_the_answer_is_kept_or_changed(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    alice: User,
    quality: Judge,
    barriers: Callable[[], list[str]],
) -> None:
    open_batch(create_batch(judges=[quality], reviewers=[alice], visibility="REVEALED"))
    expect(page.get_by_text("Hidden until you submit")).to_be_visible()
    page.keyboard.press("4")
    expect(page.get_by_role("button", name="Keep mine")).to_be_focused()
    expect(page.get_by_text("the judge sees it differently")).to_be_visible()
    assert barriers() == []
    page.keyboard.press("Enter")
    see_title(page, "Question 2")
    page.keyboard.press("4")
    page.get_by_role("button", name="Change mine").click()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    see_saved(page, "Submitted, edited")
    expect(page.get_by_text("the judge agrees")).to_be_visible()
    page.keyboard.press("Enter")
    see_title(page, "Question 3")
    assert answers_of(alice) == ["poor", "good"]
    firsts = Assessment.objects.human().filter(first_answer__isnull=False)
    assert [answer.first_answer.value for answer in firsts] == ["poor"]  # type: ignore[union-attr]


def test_several_judges_come_one_after_the_other_and_then_the_next_trace(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    tone = create_judge(experiment=quality.experiment, name="tone", description="Is it polite?")
    session = create_batch(judges=[quality, tone], reviewers=[alice], items=2)
    open_batch(session)
    for number in (1, 2):
        see_title(page, f"Question {number}")
        expect(page.get_by_role("group", name="How good is the answer?")).to_be_visible()
        page.keyboard.press("1")
        expect(page.get_by_role("group", name="Is it polite?")).to_be_visible()
        page.keyboard.press("2")
    expect(page.get_by_text("Your batch is done.")).to_be_visible()
    given = Assessment.objects.human().filter(author=alice).values_list("name", "value")
    assert sorted(given) == [("quality", "excellent")] * 2 + [("tone", "good")] * 2


def test_skip_flag_guideline_and_help_are_reached_by_keys(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    alice: User,
    quality: Judge,
    barriers: Callable[[], list[str]],
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice])
    open_batch(session)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("2")
    assert barriers() == []
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    expect(page.get_by_role("heading", name="Guideline")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(page.get_by_role("dialog", name="Skip: why?")).to_be_visible()
    assert barriers() == []
    page.keyboard.press("2")
    see_title(page, "Question 2")
    page.keyboard.press("f")
    page.keyboard.press("1")
    see_title(page, "Question 3")
    see_saved(page, "Flagged")
    states = [place.state for place in batch(session, alice)]
    assert states == ["SKIPPED", "FLAGGED", "TODO"]
    assert answers_of(alice) == []


def test_keys_are_the_persons_own_and_can_be_turned_off(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    preferences = Preferences.objects.create(user=alice, keys={"next": "x"}, auto_submit=False)
    session = create_batch(judges=[quality], reviewers=[alice])
    open_batch(session)
    page.keyboard.press("j")
    page.keyboard.press("x")
    see_title(page, "Question 2")
    page.keyboard.press("1")
    expect(page.get_by_role("radio", name="excellent")).to_be_checked()
    page.keyboard.press("Enter")
    see_title(page, "Question 3")
    assert eventually(lambda: answers_of(alice) == ["excellent"])
    preferences.letter_keys = False
    preferences.save()
    page.reload()
    page.keyboard.press("2")
    page.keyboard.press("s")
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_arrows_go_from_item_to_item_where_they_do_nothing_else(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    Preferences.objects.create(user=alice, letter_keys=False, auto_submit=False)
    open_batch(create_batch(judges=[quality], reviewers=[alice]))
    page.keyboard.press("ArrowDown")
    see_title(page, "Question 2")
    page.keyboard.press("ArrowDown")
    see_title(page, "Question 3")
    page.keyboard.press("ArrowUp")
    see_title(page, "Question 2")
    page.get_by_role("radio", name="excellent").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="good")).to_be_checked()
    page.get_by_label("Reason").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_label("Text of the trace").focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("link", name="Question 1").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Question 2")).to_be_focused()
    see_title(page, "Question 2")
    page.get_by_role("button", name="Help").click()
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys.get_by_text("↓", exact=True)).to_be_visible()
    expect(keys.get_by_text("on the choices they choose")).to_be_visible()


def test_an_answer_that_stands_is_not_given_again_by_going_on(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    Preferences.objects.create(user=alice, auto_advance=False)
    open_batch(create_batch(judges=[quality], reviewers=[alice], items=2))
    page.keyboard.press("1")
    see_saved(page, "Submitted")
    page.keyboard.press("Enter")
    see_title(page, "Question 2")
    page.keyboard.press("k")
    see_title(page, "Question 1")
    page.keyboard.press("Control+Enter")
    see_title(page, "Question 2")
    assert Assessment.objects.filter(author=alice).count() == 1
    page.keyboard.press("k")
    see_title(page, "Question 1")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    see_saved(page, "Submitted, edited")
    assert answers_of(alice) == ["fair"]


def test_an_item_whose_reason_is_still_owed_is_not_shown_as_done(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    open_batch(
        create_batch(
            judges=[quality],
            reviewers=[alice],
            items=2,
            visibility="REVEALED",
            rationale_rule="ON_DISAGREEMENT",
        )
    )
    first = page.get_by_role("navigation", name="My batch").locator("li", has_text="Question 1")
    page.keyboard.press("4")
    see_saved(page, "one sentence on why is still needed")
    expect(first).to_contain_text("draft")
    page.keyboard.press("j")
    see_title(page, "Question 2")
    page.keyboard.press("2")
    expect(page.get_by_text("the judge agrees")).to_be_visible()
    page.keyboard.press("Enter")
    see_title(page, "Question 1")
    page.keyboard.press("r")
    page.keyboard.type("No day.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
    assert answers_of(alice) == ["poor", "good"]


def test_selected_words_become_a_reason_with_their_place(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    trace = create_trace(experiment=quality.experiment, inputs=CHAT, question="A long talk")
    open_batch(create_batch(judges=[quality], reviewers=[alice], traces=[trace]))
    page.get_by_placeholder("Find").fill("parcel 7?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 of 1")).to_be_visible()
    page.locator("#turn-14 strong").dblclick()
    page.keyboard.press("q")
    expect(page.get_by_label("Reason")).to_have_value("“7” (turn 14)\n")
    page.keyboard.type("Which street?")
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    expect(page.get_by_text("Your batch is done.")).to_be_visible()
    given = Assessment.objects.human().get(author=alice)
    assert given.rationale == "“7” (turn 14)\nWhich street?"


def test_a_turn_is_rated_alone_before_the_whole_trace(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    trace = create_trace(
        experiment=quality.experiment, inputs={"messages": CHAT["messages"][:2]}, question="A talk"
    )
    open_batch(create_batch(judges=[quality], reviewers=[alice], traces=[trace]))
    page.get_by_role("link", name="Rate this turn 2").click()
    expect(page.get_by_text("About turn 2 only")).to_be_visible()
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.get_by_text("turn 2: poor")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_text("Your batch is done.")).to_be_visible()
    given = Assessment.objects.human().filter(author=alice).order_by("pk")
    assert [(row.span_id, row.value) for row in given] == [("turn-2", "poor"), ("", "excellent")]


def test_a_warm_up_item_explains_itself_before_it_goes_on(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    alice: User,
    lena: User,
    quality: Judge,
) -> None:
    settled = create_trace(experiment=quality.experiment, question="An old question")
    create_feedback(judge=quality, trace=settled, author=lena, value="poor", rationale="No day.")
    open_batch(create_batch(judges=[quality], reviewers=[alice], items=1, warm_up_items=1))
    see_title(page, "An old question")
    page.keyboard.press("1")
    expect(page.get_by_text("It was settled as")).to_be_visible()
    expect(page.get_by_text("No day.")).to_be_visible()
    page.keyboard.press("Enter")
    see_title(page, "Question 1")
    assert answers_of(alice) == []


def test_a_warm_up_item_explains_itself_under_each_judge(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    alice: User,
    lena: User,
    quality: Judge,
) -> None:
    tone = create_judge(experiment=quality.experiment, name="tone", description="Is it polite?")
    settled = create_trace(experiment=quality.experiment, question="An old question")
    create_feedback(judge=quality, trace=settled, author=lena, value="poor", rationale="No day.")
    create_feedback(judge=tone, trace=settled, author=lena, value="good", rationale="It is kind.")
    open_batch(create_batch(judges=[quality, tone], reviewers=[alice], items=1, warm_up_items=1))
    for question, reason in (
        ("How good is the answer?", "No day."),
        ("Is it polite?", "It is kind."),
    ):
        see_title(page, "An old question")
        expect(page.get_by_role("group", name=question)).to_be_visible()
        page.keyboard.press("1")
        expect(page.get_by_text("It was settled as")).to_be_visible()
        expect(page.get_by_text(reason)).to_be_visible()
        page.keyboard.press("Enter")
    see_title(page, "Question 1")


def test_a_reason_is_asked_for_as_soon_as_an_answer_differs_from_an_open_verdict(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    open_batch(
        create_batch(
            judges=[quality],
            reviewers=[alice],
            items=2,
            visibility="OPEN",
            rationale_rule="ON_DISAGREEMENT",
        )
    )
    page.keyboard.press("4")
    expect(page.get_by_role("textbox", name="Reason")).to_be_focused()
    expect(page.get_by_text("Say in a sentence what decided it.")).to_be_visible()
    page.keyboard.type("No day.")
    page.keyboard.press("Control+Enter")
    see_title(page, "Question 2")
    page.keyboard.press("2")
    expect(page.get_by_text("Your batch is done.")).to_be_visible()
    assert answers_of(alice) == ["poor", "good"]


def test_the_list_follows_and_can_be_narrowed(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    open_batch(create_batch(judges=[quality], reviewers=[alice]))
    rail = page.get_by_role("navigation", name="My batch")
    page.keyboard.press("1")
    see_saved(page, "Submitted")
    expect(rail.locator("[aria-current=page]")).to_contain_text("Question 2")
    rail.get_by_role("link", name="Done", exact=True).click()
    expect(rail.get_by_role("listitem")).to_have_count(1)
    rail.get_by_role("link", name="Drafts").click()
    expect(rail.get_by_text("No item is “drafts”.")).to_be_visible()
    rail.get_by_role("link", name="Clear").click()
    expect(rail.get_by_role("listitem")).to_have_count(3)
    page.keyboard.press("b")
    expect(rail).to_be_hidden()


def test_a_key_is_changed_by_pressing_it(
    live_server: LiveServer, sign_in: Callable[[User], None], page: Page, alice: User
) -> None:
    sign_in(alice)
    page.goto(f"{live_server.url}{reverse('settings-keys')}")
    page.get_by_role("textbox", name="Skip", exact=True).press("x")
    page.get_by_role("textbox", name="Next item").press("ArrowRight")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your keys are saved.")).to_be_visible()
    assert Preferences.objects.get(user=alice).keys == {"skip": "x", "next": "ArrowRight"}


def too_small(page: Page) -> list[str]:
    """What a finger could miss; links within a text are as high as its lines."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll('a[href], button, summary, .radio-card, .confidence, .input, .textarea')]
        .filter((e) => e.checkVisibility() && !e.closest('.skip-link, .prose, .json, p'))
        .filter((e) => e.getBoundingClientRect().height < 43.5 || e.getBoundingClientRect().width < 43.5)
        .map((e) => e.outerHTML)"""
    )
    return found


@pytest.mark.browser_context_args(
    viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
)
def test_an_expert_works_through_a_batch_on_a_phone(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    alice: User,
    quality: Judge,
    barriers: Callable[[], list[str]],
) -> None:
    tool = {"name": "look", "args": {"parcel": 1}, "result": [{"page_content": "It is in Bonn."}]}
    talk = [{"role": "system", "content": "Be kind."}, {"role": "assistant", "tool_calls": [tool]}]
    traces = [
        create_trace(
            experiment=quality.experiment, inputs={"messages": talk}, question="Question 1"
        ),
        create_trace(experiment=quality.experiment, question="Question 2"),
    ]
    open_batch(create_batch(judges=[quality], reviewers=[alice], traces=traces))
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert barriers() == []
    assert too_small(page) == []
    page.get_by_text("Confidence, and what").tap()
    page.get_by_role("button", name="My batch").tap()
    assert too_small(page) == []
    page.get_by_role("button", name="Close").tap()
    page.get_by_role("button", name="Guideline").tap()
    assert too_small(page) == []
    page.get_by_role("button", name="Close").tap()
    page.locator(".radio-card", has_text="fair").tap()
    see_title(page, "Question 2")
    page.get_by_role("button", name="My batch").tap()
    expect(page.get_by_role("navigation", name="My batch")).to_be_visible()
    page.get_by_role("link", name="Question 1").tap()
    see_title(page, "Question 1")
    expect(page.get_by_role("radio", name="fair")).to_be_checked()
    page.go_back()
    see_title(page, "Question 2")
    page.get_by_role("button", name="Skip…").tap()
    page.get_by_role("button", name="Not my field").tap()
    expect(page.get_by_text("Your batch is done.")).to_be_visible()
    assert answers_of(alice) == ["fair"]


@pytest.mark.browser_context_args(
    viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
)
def test_on_a_phone_the_verdict_comes_into_view_above_its_buttons(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    open_batch(
        create_batch(
            judges=[quality],
            reviewers=[alice],
            items=2,
            visibility="REVEALED",
            rationale_rule="ON_DISAGREEMENT",
        )
    )
    page.locator(".radio-card", has_text="good").tap()
    expect(page.get_by_text("The judge said")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Keep mine")).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Keep mine").tap()
    see_title(page, "Question 2")
    page.locator(".radio-card", has_text="poor").tap()
    expect(page.get_by_text("The judge said")).to_be_in_viewport()
    page.get_by_role("button", name="Keep mine").tap()
    expect(page.get_by_text("Say in a sentence why you see it differently.")).to_be_in_viewport()
    page.get_by_role("textbox", name="Reason (needed because").fill("No day.")
    page.get_by_role("button", name="Keep mine").tap()
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
    assert answers_of(alice) == ["good", "poor"]
