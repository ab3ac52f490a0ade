"""A team lead plans a session and follows it, as people do it: with the mouse, with keys alone, and on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import FeedbackSession, Judge, SessionStatus, Team, Trace, User
from annotator.services import assignments
from tests.factories import (
    answer,
    assignment_of,
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_trace,
    create_user,
    create_verdict,
)


@pytest.fixture
def judge(transactional_db: None, team: Team) -> Judge:
    """A judge that waits for an admin however many labels there are."""
    judge = create_judge(experiment=create_experiment(team=team, name="Help desk"))
    judge.alignment_policy = Judge.AlignmentPolicy.MANUAL
    judge.save()
    return judge


@pytest.fixture
def people(team: Team) -> list[User]:
    """Five experts."""
    names = ("Ana", "Ben", "Cem", "Dora", "Emil")
    return [create_user(username=name.lower(), first_name=name, team=team) for name in names]


def _traces(judge: Judge, many: int, *, values: tuple[str, ...] = ("good", "poor")) -> list[Trace]:
    traces = [
        create_trace(experiment=judge.experiment, question=f"Question {number}")
        for number in range(many)
    ]
    for number, trace in enumerate(traces):
        create_verdict(judge=judge, trace=trace, value=values[number % len(values)])
    return traces


def test_a_lead_plans_a_session_for_five_people_and_sixty_traces(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    judge: Judge,
    people: list[User],
    complaints: list[str],
    barriers: Callable[[], list[str]],
) -> None:
    _traces(judge, 70)
    sign_in(lena)
    page.goto(f"{live_server.url}{reverse('session-list')}")
    page.get_by_role("link", name="Balance a judge").click()
    page.get_by_label("Name", exact=True).fill("Refunds, week 12")
    total = page.get_by_label("Traces", exact=True)
    total.fill("60")
    expect(page.get_by_role("heading", name="What it draws: 60 traces")).to_be_visible()
    expect(page.get_by_text("Then it is likely to be ready to be aligned.")).to_be_visible()
    page.get_by_role("button", name="Remove").first.click()
    expect(
        page.get_by_text("60 are asked for and 59 can be drawn, 1 taken out by you.")
    ).to_be_visible()
    assert barriers() == []
    page.get_by_role("button", name="Next: who and how").click()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(7)  # five people, two switches
    page.get_by_label("Shared by all, first").fill("4")
    expect(page.locator("#session-preview")).to_contain_text("4 shared by everybody")
    assert barriers() == []
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Refunds, week 12")
    page.get_by_role("button", name="Next: who and how").click()
    expect(page.get_by_label("Shared by all, first")).to_have_value("4")
    page.get_by_role("button", name="Next: when").click()
    assert barriers() == []
    page.get_by_role("button", name="Next: check who gets what").click()

    expect(page.get_by_role("heading", name="Who would get which items")).to_be_visible()
    expect(page.get_by_text("59 items, 4 of them shared by all · 75 answers")).to_be_visible()
    for person in people:
        row = page.get_by_role("row", name=person.first_name)
        expect(row.get_by_role("cell").nth(0)).to_have_text("15")
    assert barriers() == []
    page.get_by_role("button", name="Schedule").click()
    expect(page.get_by_text("Refunds, week 12 is scheduled")).to_be_visible()
    session = FeedbackSession.objects.get()
    assert session.status == SessionStatus.OPEN
    assert session.items.count() == 59
    assert complaints == []


def test_a_lead_plans_a_session_with_keys_alone(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    judge: Judge,
    people: list[User],
) -> None:
    _traces(judge, 12)
    sign_in(lena)
    page.goto(f"{live_server.url}{reverse('session-create')}")
    name = page.get_by_label("Name", exact=True)
    name.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("By keys")
    for step in ("who", "when"):  # Enter in a field goes on, as the button does
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.locator(f"#step-{step}")).to_be_visible()
        visible = page.locator(f"#step-{step} input[type=number]:visible").first
        visible.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    schedule = page.get_by_role("button", name="Schedule")
    for _ in range(60):
        if schedule.evaluate("button => button === document.activeElement"):
            break
        page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert FeedbackSession.objects.get(name="By keys").status == SessionStatus.OPEN


@pytest.mark.browser_context_args(
    viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
)
def test_what_is_missing_becomes_a_session_on_a_phone(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    alice: User,
    judge: Judge,
) -> None:
    for trace in _traces(judge, 10, values=("good",)):
        create_feedback(judge=judge, trace=trace, author=alice, value="good")
    _traces(judge, 40, values=("poor", "good", "good"))
    sign_in(lena)
    page.goto(f"{live_server.url}{reverse('judge-detail', args=[judge.pk])}")
    expect(page.get_by_text("Not ready yet: 5 more negative.")).to_be_visible()
    page.get_by_role("link", name="Make a session for what is missing").tap()
    total = int(page.get_by_label("Traces", exact=True).input_value())
    assert 5 <= total <= 12
    expect(page.get_by_text("Then it is likely to be ready to be aligned.")).to_be_visible()
    for button in ("Next: who and how", "Next: when", "Next: check who gets what", "Schedule"):
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        with page.expect_navigation():
            page.get_by_role("button", name=button).tap()
    expect(page.get_by_text("is scheduled. alice has no e-mail address here")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert FeedbackSession.objects.get().items.count() == total


def test_the_board_moves_by_itself_and_a_lead_releases_moves_and_changes(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    lena: User,
    judge: Judge,
    people: list[User],
    complaints: list[str],
    barriers: Callable[[], list[str]],
) -> None:
    ana, ben = people[:2]
    traces = _traces(judge, 6)
    session = create_session(judge=judge, reviewers=[ana, ben], traces=traces, actor=lena)
    first = session.reviewers.get(user=ana).assignments.select_related("item__trace")[0]
    sign_in(lena)
    page.goto(f"{live_server.url}{reverse('session-detail', args=[session.pk])}")
    board = page.locator("#board-people")
    row = board.get_by_role("row", name="Ana")
    expect(row).to_contain_text("0 of 3")
    row.get_by_role("checkbox").check()
    assert barriers() == []

    # an expert answers elsewhere, and opens the next one: the page hears of it without being touched
    answer(
        user=ana,
        assignment=assignment_of(user=ana, session=session, trace=first.item.trace),
        judge=judge,
    )
    held = session.reviewers.get(user=ana).assignments.filter(state="TODO").first()
    assert held is not None
    assignments.hold(user=ana, assignment=held, now=timezone.now())
    expect(row).to_contain_text("1 of 3", timeout=15_000)
    expect(row.get_by_role("checkbox")).to_be_checked()
    holds = page.locator("#board-held")
    expect(holds).to_contain_text("Ana")
    holds.get_by_role("checkbox").check()
    page.get_by_role("button", name="Release those ticked").click()
    expect(page.get_by_text("1 item released")).to_be_visible()

    board.get_by_role("row", name="Ben").get_by_role("checkbox").check()
    page.get_by_role("button", name="Move items…").click()
    page.get_by_role("checkbox").first.uncheck()
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("2 items moved to Ana.")).to_be_visible()
    board.get_by_role("link", name="Ana, done: 1").click()
    expect(page.get_by_role("heading", name="1 item")).to_be_visible()

    page.goto(f"{live_server.url}{reverse('session-change', args=[session.pk])}")
    page.get_by_role("checkbox", name="Cem").check()
    page.get_by_label("People per item").fill("2")
    page.get_by_role("button", name="See what would happen").click()
    expect(page.get_by_role("row", name="Cem")).to_contain_text("comes in")
    session.refresh_from_db()
    assert session.overlap == 1
    assert barriers() == []
    page.get_by_role("button", name="Do it").click()
    expect(page.get_by_text("handed out")).to_be_visible()
    session.refresh_from_db()
    assert session.overlap == 2
    assert complaints == []
