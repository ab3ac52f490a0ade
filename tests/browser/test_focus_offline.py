"""The review screen without a connection: what was answered, what is still to be read, and what there is to see later."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from annotator.models import Assessment, FeedbackSession, Judge, User
from annotator.presenters.words import DASH
from tests.annotator.batch_world import create_batch
from tests.browser.focus_helpers import answers_of, see_saved, see_title
from tests.factories import create_feedback, create_trace
from tests.processes import eventually


def test_offline_one_goes_on_and_comes_back_for_the_verdicts(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    context: BrowserContext,
    alice: User,
    quality: Judge,
    barriers: Callable[[], list[str]],
) -> None:
    open_batch(create_batch(judges=[quality], reviewers=[alice], items=4, visibility="REVEALED"))
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    page.keyboard.press("4")
    expect(page.get_by_text("comes when the connection is back")).to_be_visible()
    expect(page.get_by_role("link", name="Next", exact=True).first).to_be_focused()
    assert barriers() == []
    page.keyboard.press("Enter")
    see_title(page, "Question 2")
    page.keyboard.press("2")
    expect(page.get_by_text("comes when the connection is back")).to_be_visible()
    page.keyboard.press("Enter")
    see_title(page, "Question 3")
    see_saved(page, f"Offline {DASH} 2 answers waiting")
    assert answers_of(alice) == []

    context.set_offline(False)
    rail = page.get_by_role("navigation", name="My batch")
    expect(rail.get_by_text("see verdict").filter(visible=True)).to_have_count(2)
    expect(rail.locator("li", has_text="Question 2")).to_contain_text("see verdict")
    assert answers_of(alice) == ["poor", "good"]
    for _ in (3, 4):
        page.keyboard.press("2")
        page.get_by_role("button", name="Keep mine").press("Enter")
    see_title(page, "Question 1")
    expect(page.get_by_role("button", name="Change mine")).to_be_visible()
    expect(page.get_by_text("the judge sees it differently")).to_be_visible()
    page.keyboard.press("Enter")
    see_title(page, "Question 2")
    expect(rail.get_by_text("see verdict").filter(visible=True)).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
    assert answers_of(alice) == ["poor", "good", "good", "good"]
    assert Assessment.objects.filter(author=alice, valid=False).count() == 0


def test_the_last_verdict_of_a_batch_answered_offline_is_seen_before_the_end(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    context: BrowserContext,
    alice: User,
    lena: User,
    quality: Judge,
) -> None:
    settled = create_trace(experiment=quality.experiment, question="An old question")
    create_feedback(judge=quality, trace=settled, author=lena, value="poor", rationale="No day.")
    open_batch(
        create_batch(
            judges=[quality], reviewers=[alice], items=1, warm_up_items=1, visibility="REVEALED"
        )
    )
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    page.keyboard.press("1")
    expect(page.get_by_text("What was settled comes when")).to_be_visible()
    page.keyboard.press("Enter")
    see_title(page, "Question 1")
    page.keyboard.press("1")
    expect(page.get_by_text("The judge's verdict comes when")).to_be_visible()
    page.keyboard.press("Enter")
    see_saved(page, "Offline")
    context.set_offline(False)
    expect(page.get_by_role("button", name="Keep mine")).to_be_focused()
    assert eventually(lambda: answers_of(alice) == ["excellent"])
    page.keyboard.press("Enter")
    see_title(page, "An old question")
    expect(page.get_by_text("No day.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
