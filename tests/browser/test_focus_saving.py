"""That nothing is lost in the review screen: offline, left, undone, or with a hold that ended."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, Route, expect

from annotator.models import Assessment, Assignment, FeedbackSession, Judge, User
from annotator.presenters.words import DASH
from tests.annotator.batch_world import batch, create_batch
from tests.browser.focus_helpers import answers_of, see_saved, see_title
from tests.processes import eventually


def test_answers_given_offline_wait_survive_a_reload_and_are_sent_once(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    context: BrowserContext,
    alice: User,
    quality: Judge,
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice], items=4)
    third = f"/review/{batch(session, alice)[2].pk}/"
    with page.expect_response(lambda answer: third in answer.url):
        open_batch(session)
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    page.keyboard.press("4")
    see_title(page, "Question 2")
    page.keyboard.press("3")
    see_title(page, "Question 3")
    see_saved(page, f"Offline {DASH} 2 answers waiting")
    assert answers_of(alice) == []

    # the page is gone, as when the laptop was closed; the answers are not
    page.goto("about:blank")
    context.set_offline(False)
    open_batch(session)
    see_title(page, "Question 3")
    assert eventually(lambda: answers_of(alice) == ["poor", "fair"])
    page.reload()
    see_title(page, "Question 3")
    assert Assessment.objects.filter(author=alice).count() == 2


def test_a_connection_that_comes_back_sends_what_waited(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    context: BrowserContext,
    alice: User,
    quality: Judge,
) -> None:
    open_batch(create_batch(judges=[quality], reviewers=[alice], items=2))
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    page.keyboard.press("1")
    see_saved(page, f"Offline {DASH} 1 answer waiting")
    context.set_offline(False)
    see_saved(page, "Submitted")
    page.keyboard.press("2")
    expect(page.get_by_text("Your batch is done.")).to_be_visible()
    assert answers_of(alice) == ["excellent", "good"]


def test_an_item_that_cannot_be_drawn_keeps_no_answer_from_arriving(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice], items=5)
    last = batch(session, alice)[4].pk
    wishes: list[str] = []

    def fail_where_it_is_wished(route: Route) -> None:
        body = route.request.post_data or ""
        if f"ahead={last}" in body:
            wishes.append(body)
            route.fulfill(status=500, body="It cannot be drawn.")
        else:
            route.continue_()

    page.route("**/review/**", fail_where_it_is_wished)
    open_batch(session)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("4")
    see_title(page, "Question 2")
    see_saved(page, "The server does not answer")
    page.evaluate("dispatchEvent(new Event('online'))")  # tries again at once
    see_saved(page, "Submitted")
    assert answers_of(alice) == ["poor"]
    assert len(wishes) == 1


def test_a_draft_is_saved_after_a_silence_and_comes_back(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice])
    open_batch(session)
    see_saved(page, "Not started")
    page.keyboard.press("r")
    page.keyboard.type("1 jar? s, j and u are letters here")
    see_saved(page, "Draft saved")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    see_title(page, "Question 2")
    page.keyboard.press("k")
    see_title(page, "Question 1")
    expect(page.get_by_label("Reason")).to_have_value("1 jar? s, j and u are letters here")
    assert batch(session, alice)[0].state == "DRAFT"
    assert answers_of(alice) == []


def test_undo_opens_the_last_answer_again(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    open_batch(create_batch(judges=[quality], reviewers=[alice]))
    page.keyboard.press("4")
    see_title(page, "Question 2")
    see_saved(page, "Submitted")
    page.keyboard.press("u")
    see_title(page, "Question 1")
    expect(page.get_by_role("radio", name="poor")).to_be_checked()
    assert answers_of(alice) == []
    expect(page.locator(".focus.is-live")).to_be_visible()  # a page of its own: its keys come last
    page.keyboard.press("2")
    see_title(page, "Question 2")
    assert eventually(lambda: answers_of(alice) == ["good"])


def test_a_hold_that_was_lost_is_told_and_the_answer_is_kept(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice])
    open_batch(session)
    first = batch(session, alice)[0]
    Assignment.objects.filter(pk=first.pk).update(lease_until=timezone.now())
    page.keyboard.press("3")
    see_saved(page, "your answer was kept and counts")
    assert answers_of(alice) == ["fair"]
