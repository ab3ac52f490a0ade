"""The review screen of a batch, as an expert works in it: judges, verdicts, quotes, turns, the list."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from annotator.models import Assessment, FeedbackSession, Judge, Span, User
from tests.annotator.batch_world import create_batch
from tests.browser.focus_helpers import answers_of, see_saved, see_title
from tests.factories import create_feedback, create_judge, create_trace

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


def test_words_of_a_document_are_quoted_with_its_number(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    alice: User,
    quality: Judge,
    barriers: Callable[[], list[str]],
) -> None:
    trace = create_trace(experiment=quality.experiment, question="May I return it?")
    Span.objects.create(
        trace=trace,
        span_id="a1",
        name="search_help",
        span_type="RETRIEVER",
        start_ns=1,
        outputs=[
            {"page_content": "Shipping is free.", "metadata": {"title": "Shipping"}},
            {"page_content": f"Keep the bill. {'It helps. ' * 100} Then six **weeks**."},
        ],
    )
    open_batch(create_batch(judges=[quality], reviewers=[alice], traces=[trace]))
    assert barriers() == []
    tops = page.locator(".document").evaluate_all("all => all.map((e) => e.offsetTop)")
    assert tops == [tops[0]] * 2  # side by side
    page.get_by_placeholder("Find").fill("weeks")
    page.keyboard.press("Enter")
    page.locator(".document strong", has_text="weeks").dblclick()
    page.keyboard.press("q")
    expect(page.get_by_label("Reason")).to_have_value("“weeks” (document 2)\n")


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
