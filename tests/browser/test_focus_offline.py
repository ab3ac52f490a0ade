"""The review screen without a connection: what was answered, what is still to be read, and what there is to see later."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Error, Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import Assessment, FeedbackSession, Judge, User
from annotator.presenters.words import DASH
from tests.annotator.batch_world import answer_all, create_batch
from tests.browser.focus_helpers import answers_of, see_saved, see_title
from tests.factories import create_feedback, create_judge, create_trace
from tests.processes import eventually

KEPT = """async () => {
  const found = [];
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
  }
  return navigator.serviceWorker.controller ? found : [];
}"""


def see_kept(page: Page, *, items: int) -> None:
    """The page, its files and so many items are kept in the browser."""

    def are_kept() -> bool:
        kept = page.evaluate(KEPT)
        steps = [path for path in kept if re.search(r"/review/\d+/$", path)]
        return len(steps) == items and any(path.endswith("offline.js") for path in kept)

    assert eventually(are_kept), page.evaluate(KEPT)


def expect_nothing_kept(page: Page) -> None:
    """Nothing of the review screen is left in the browser."""
    assert eventually(lambda: page.evaluate("async () => (await caches.keys()).length") == 0)


def test_a_batch_opens_offline_and_three_answers_given_there_arrive_once(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    context: BrowserContext,
    alice: User,
    quality: Judge,
    complaints: list[str],
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice], items=8)
    open_batch(session)
    page.keyboard.press("1")
    see_title(page, "Question 2")
    see_kept(page, items=7)
    assert complaints == []

    context.set_offline(True)
    page.reload()
    see_title(page, "Question 2")
    expect(page.get_by_text("1 of 8")).to_be_visible()
    for number in (2, 3, 4):
        see_title(page, f"Question {number}")
        page.keyboard.press(str(number))
    see_title(page, "Question 5")
    page.reload()
    see_title(page, "Question 5")
    see_saved(page, f"Offline {DASH} 3 answers waiting")
    page.goto(page.url.split("/review/")[0] + "/review/")
    see_title(page, "Question 5")
    page.keyboard.press("k")
    see_title(page, "Question 4")
    expect(page.get_by_role("radio", name="poor")).to_be_checked()
    assert answers_of(alice) == ["excellent"]

    context.set_offline(False)
    assert eventually(lambda: answers_of(alice) == ["excellent", "good", "fair", "poor"])
    expect(page.get_by_text("4 of 8")).to_be_visible()
    page.reload()
    see_title(page, "Question 4")
    assert Assessment.objects.filter(author=alice).count() == 4


def test_what_is_kept_goes_with_whoever_signs_out_or_comes(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    context: BrowserContext,
    alice: User,
    lena: User,
    quality: Judge,
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice])
    for leave in ("sign out", "somebody else", "admin"):
        open_batch(session)
        see_kept(page, items=3)
        address = page.url
        if leave == "sign out":
            page.goto(f"{live_server.url}{reverse('batch-list')}")
            page.locator("details.menu > summary").click()
            page.get_by_role("button", name="Sign out").click()
            expect(page).to_have_url(re.compile("/login/"))
        elif leave == "somebody else":
            sign_in(lena)
            page.goto(f"{live_server.url}{reverse('guide')}")
        else:
            page.goto(f"{live_server.url}{reverse('admin:login')}")
        expect_nothing_kept(page)
        context.set_offline(True)
        with pytest.raises(Error, match=r"ERR_(FAILED|INTERNET_DISCONNECTED)"):
            page.goto(address)
        context.set_offline(False)


def test_online_nothing_comes_from_what_was_kept(
    open_batch: Callable[[FeedbackSession], None], page: Page, alice: User, quality: Judge
) -> None:
    session = create_batch(judges=[quality], reviewers=[alice])
    open_batch(session)
    see_kept(page, items=3)
    session.name = "Parcels and letters"
    session.save(update_fields=["name"])
    page.reload()
    expect(page.get_by_text("Parcels and letters")).to_be_visible()
    expect(page.locator("[data-kept]")).to_have_count(0)
    see_kept(page, items=3)
    answer_all(session, alice, "good")
    page.goto(page.url.split("/review/")[0] + "/review/")
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
    expect_nothing_kept(page)


def test_offline_both_judges_of_an_item_to_come_can_be_answered(
    open_batch: Callable[[FeedbackSession], None],
    page: Page,
    context: BrowserContext,
    alice: User,
    quality: Judge,
) -> None:
    tone = create_judge(experiment=quality.experiment, name="tone", description="Is it polite?")
    open_batch(create_batch(judges=[quality, tone], reviewers=[alice], items=2))
    see_kept(page, items=5)  # the first as it was opened, and both under each judge
    context.set_offline(True)
    page.reload()
    for number in (1, 2):
        for question in ("How good is the answer?", "Is it polite?"):
            see_title(page, f"Question {number}")
            expect(page.get_by_role("group", name=question)).to_be_visible()
            page.keyboard.press("2")
    see_saved(page, f"Offline {DASH} 4 answers waiting")
    context.set_offline(False)
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
    assert answers_of(alice) == ["good"] * 4


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
    page.keyboard.press("k")

    # what waits stands as it was given, and can still be changed
    see_title(page, "Question 2")
    expect(page.get_by_role("radio", name="good")).to_be_checked()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.locator("[data-answer]")).not_to_have_attribute("data-changing", "")
    page.keyboard.press("Enter")
    see_title(page, "Question 3")
    assert answers_of(alice) == []

    context.set_offline(False)
    rail = page.get_by_role("navigation", name="My batch")
    expect(rail.get_by_text("see verdict").filter(visible=True)).to_have_count(2)
    expect(rail.locator("li", has_text="Question 2")).to_contain_text("see verdict")
    assert answers_of(alice) == ["poor", "fair"]
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
    assert answers_of(alice) == ["poor", "fair", "good", "good"]
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
