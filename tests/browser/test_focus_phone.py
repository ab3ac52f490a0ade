"""The review screen of a batch on a phone, by touch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import FeedbackSession, Judge, User
from tests.annotator.batch_world import create_batch
from tests.browser.focus_helpers import answers_of, see_title
from tests.factories import create_trace


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
