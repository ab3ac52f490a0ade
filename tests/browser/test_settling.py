"""Settling without a mouse, the workbench with its three causes, a guideline traced to its rows, and the label rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import Cause, DisagreementCause, Judge, Settlement, Team, User
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_user,
    create_verdict,
)

TRACES = 3


@pytest.fixture
def judge(transactional_db: None, team: Team, alice: User) -> Judge:
    """A judge of three traces on which alice says poor, and ben and the judge say good."""
    judge = create_judge(experiment=create_experiment(team=team), alignment_policy="MANUAL")
    ben = create_user(username="ben", team=team)
    for number in range(TRACES):
        trace = create_trace(
            experiment=judge.experiment, question=f"Question {number}", tags={"topic": "returns"}
        )
        create_verdict(judge=judge, trace=trace, value="good", rationale="It is polite.")
        create_feedback(judge=judge, trace=trace, author=alice, value="poor", rationale="No date.")
        create_feedback(judge=judge, trace=trace, author=ben, value="good", rationale="Kind.")
    return judge


def test_a_lead_settles_one_after_the_other_with_the_keyboard_alone(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    judge: Judge,
    barriers: Callable[[], list[str]],
    complaints: list[str],
) -> None:
    sign_in(lena)
    page.goto(f"{live_server.url}{reverse('judge-settle', args=[judge.pk])}")
    assert barriers() == []
    expect(page.get_by_text("Person A").first).to_be_visible()
    for number in reversed(range(TRACES)):
        expect(page.locator(".trace-content").get_by_text(f"Question {number}")).to_be_visible()
        page.keyboard.press("4")
        page.keyboard.press("t")
        page.keyboard.press("r")
        page.keyboard.type("It names no date.")
        with page.expect_navigation():
            page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Everything is decided")).to_be_visible()
    assert set(judge.labels.values_list("value_key", "settled_by")) == {("poor", "lena")}
    assert set(DisagreementCause.objects.values_list("cause", flat=True)) == {Cause.JUDGE}
    assert complaints == []


def test_adopting_copies_value_and_reason_and_what_is_missing_gets_the_focus(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    judge: Judge,
    barriers: Callable[[], list[str]],
    complaints: list[str],
) -> None:
    sign_in(lena)
    page.goto(f"{live_server.url}{reverse('judge-settle', args=[judge.pk])}")
    page.get_by_role("button", name="Settle and next").click()
    expect(page.get_by_text("Say why the answers differ.")).to_be_visible()
    expect(page.get_by_role("radio", name="excellent")).to_be_focused()
    assert barriers() == []
    page.get_by_role("link", name="Adopt the answer of Person A").click()
    expect(page.get_by_role("radio", name="poor")).to_be_checked()
    expect(page.get_by_label("Why (optional)")).to_have_value("No date.")
    page.get_by_label("A person was wrong").check()
    page.get_by_role("button", name="Settle and next").click()
    expect(page.get_by_text("Settled: Question 2.")).to_be_visible()
    settlement = Settlement.objects.select_related("adopted_from").get()
    assert settlement.adopted_from is not None
    assert settlement.adopted_from.source_id == "alice"
    complaints[:] = [each for each in complaints if "422" not in each]
    assert complaints == []


def test_each_row_of_the_workbench_ends_in_one_of_three_causes_and_a_guideline_names_its_rows(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    judge: Judge,
    barriers: Callable[[], list[str]],
    complaints: list[str],
) -> None:
    for trace in judge.experiment.traces.all():
        create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    sign_in(lena)
    workbench = f"{live_server.url}{reverse('judge-disagreements', args=[judge.pk])}"
    page.goto(workbench)
    assert barriers() == []

    page.locator(".dispute", has_text="Question 2").get_by_role(
        "button", name="The judge was wrong"
    ).click()
    row = page.locator(".dispute", has_text="Question 2")
    expect(row.get_by_role("button", name="Take back")).to_be_visible()

    row = page.locator(".dispute", has_text="Question 1")
    row.get_by_role("link", name="A person was wrong").click()
    expect(page.get_by_label("A person was wrong")).to_be_checked()
    page.get_by_role("link", name="Adopt the answer of Judge").click()
    page.get_by_role("button", name="Settle and next").click()

    page.goto(workbench)
    row = page.locator(".dispute", has_text="Question 0")
    row.get_by_text("The guideline is unclear…").click()
    row.get_by_label("What does it leave open?").fill("May a kind answer lack a date?")
    row.get_by_role("button", name="Record, and open the guideline").click()
    expect(page.get_by_label("May a kind answer lack a date?")).to_be_checked()
    assert barriers() == []
    page.get_by_label("good: Do not choose it when …").fill("It names no date.")
    page.get_by_role("button", name="Save, in force at once").click()
    expect(page.get_by_text("Written because of 1 unclear place")).to_be_visible()
    expect(page.get_by_role("link", name="Question 0")).to_be_visible()
    assert barriers() == []

    page.goto(workbench)
    expect(page.get_by_text("100 %")).to_be_visible()
    page.get_by_role("link", name="The guideline is unclear 1").click()
    expect(page.locator(".dispute")).to_have_count(1)
    expect(page.get_by_role("link", name="guideline 1", exact=True)).to_be_visible()
    causes = DisagreementCause.objects.order_by("trace__request_preview")
    assert [each.cause for each in causes] == ["GUIDELINE", "PERSON", "JUDGE"]
    assert complaints == []


def test_another_rule_shows_its_effect_as_soon_as_it_is_chosen_and_changes_nothing_before_it_is_applied(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    adam: User,
    judge: Judge,
    barriers: Callable[[], list[str]],
    complaints: list[str],
) -> None:
    sign_in(adam)
    page.goto(f"{live_server.url}{reverse('judge-rule', args=[judge.pk])}")
    page.get_by_label("Who settles").fill("ben")
    page.get_by_role("radio", name="What one named person says").check()
    preview = page.locator("#rule-preview")
    expect(preview.get_by_text("0 now, 3 labels then: 3 gained.")).to_be_visible()
    expect(preview.get_by_role("link", name="Question 1")).to_be_visible()
    assert barriers() == []
    assert judge.labels.count() == 0
    preview.get_by_role("button", name="Apply this rule").click()
    expect(page.get_by_text("is applied, and its labels are made anew")).to_be_visible()
    assert judge.labels.count() == TRACES
    assert complaints == []


@pytest.mark.browser_context_args(
    viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
)
def test_settling_works_on_a_phone(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    judge: Judge,
) -> None:
    sign_in(lena)
    page.goto(f"{live_server.url}{reverse('judge-disagreements', args=[judge.pk])}")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.get_by_role("link", name="Question 1").tap()
    expect(page.get_by_role("button", name="Settle and next")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator(".radio-card", has_text="poor").tap()
    page.get_by_text("The judge was wrong").tap()
    page.get_by_role("button", name="Settle and next").tap()
    expect(page.get_by_text("Settled: Question 1.")).to_be_visible()
