"""The review screen of a batch by its keys, which are each person's own."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import Assessment, FeedbackSession, Judge, Preferences, User
from tests.annotator.batch_world import batch, create_batch
from tests.browser.focus_helpers import answers_of, see_saved, see_title
from tests.processes import eventually


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
