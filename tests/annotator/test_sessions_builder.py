"""The builder: three steps on one page, a draft at the end of them, and what is said when something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from alignment.sides import Side
from annotator.models import (
    FeedbackSession,
    Judge,
    Role,
    SessionStatus,
    Team,
    Trace,
    User,
)
from annotator.services.candidates import for_what_is_missing
from annotator.services.guidelines import save_guideline
from annotator.services.readiness import readiness_of
from annotator.views.session_fields import shared_that_fits
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
    create_verdict,
)

NEW = reverse("session-create")


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _traces(judge: Judge, values: Sequence[str | None]) -> list[Trace]:
    traces = [
        create_trace(experiment=judge.experiment, question=f"Question {n}")
        for n in range(len(values))
    ]
    for trace, value in zip(traces, values, strict=True):
        if value is not None:
            create_verdict(judge=judge, trace=trace, value=value)
    return traces


def _sent(client: Client, address: str, **changes: Any) -> dict[str, Any]:
    """What a browser sends when nothing but `changes` was touched; None takes a field out."""
    context = client.get(address).context
    form = context["form"]
    sent: dict[str, Any] = {"step": context["step"]}
    for name in form.fields:
        value = form[name].value()
        if value is True:
            sent[name] = "on"
        elif name in ("opens_at", "closes_at"):
            sent[name] = f"{value:%Y-%m-%dT%H:%M}" if value else ""
        elif value is not None and value is not False:
            sent[name] = value
    sent |= {row.field: row.weight for row in context["mix"]}
    sent |= changes
    return {name: value for name, value in sent.items() if value is not None}


def test_a_plan_for_five_people_and_sixty_traces_takes_three_times_next_and_schedule(
    client: Client, judge: Judge, team: Team, lena: User
) -> None:
    _traces(judge, ["good", "poor"] * 40)
    people = [create_user(team=team, email=f"{number}@example.org") for number in range(5)]
    client.force_login(lena)
    data = _sent(client, NEW, total="60")
    for step, following in (("what", "who"), ("who", "when")):
        response = client.post(NEW, {**data, "step": step, "go": following})
        assert (response.status_code, response.context["step"]) == (200, following)
    response = client.post(NEW, {**data, "step": "when", "go": "check"})
    session = FeedbackSession.objects.get()
    assert response["Location"] == reverse("session-detail", args=[session.pk])
    assert session.status == SessionStatus.DRAFT

    page = client.get(response["Location"])
    rows = page.context["handout"]
    assert sorted(row["total"] for row in rows) == [14, 14, 14, 15, 15]
    assert {row["shared"] for row in rows} == {3}
    assert {row["reviewer"].user for row in rows} == set(people)
    handed_out = {each["words"] for row in rows for each in row["items"]}
    assert len(handed_out) == 60
    assert not session.notifications.exists()

    acted = client.post(
        reverse("session-act", args=[session.pk]), {"action": "schedule"}, follow=True
    )
    session.refresh_from_db()
    assert session.status == SessionStatus.OPEN
    assert session.reviewers.count() == 5
    assert session.items.count() == 60
    assert "is scheduled. Its reviewers are told." in acted.content.decode()


def test_a_judge_without_feedback_offers_one_first_session(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    traces = _traces(judge, ["good", "poor"] * 10)
    client.force_login(lena)
    page = client.get(reverse("judge-detail", args=[judge.pk])).content.decode()
    assert "Make a session of 15" in page
    assert "Make a session for what is missing" not in page
    form = client.get(f"{NEW}?goal=BALANCE&judge={judge.pk}&total=15").context["form"]
    assert int(form.initial["total"]) == 15
    odd = client.get(f"{NEW}?goal=BALANCE&judge={judge.pk}&total=x1").context["form"]
    assert int(odd.initial["total"]) > 0

    create_feedback(judge=judge, trace=traces[0], author=alice, value="good")
    later = client.get(reverse("judge-detail", args=[judge.pk])).content.decode()
    assert "Make a session of 15" not in later
    assert "Make a session for what is missing" in later


def test_for_what_is_missing_the_builder_takes_the_fewest_reviews_that_fill_it(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    for trace in _traces(judge, ["good"] * 10):
        create_feedback(judge=judge, trace=trace, author=alice, value="good")
    _traces(judge, [*["poor"] * 30, *["good"] * 60])
    assert readiness_of(judge).missing == ["5 more negative"]
    client.force_login(lena)
    address = f"{NEW}?goal=BALANCE&judge={judge.pk}"
    page = client.get(address)
    form = page.context["form"]
    proposal = for_what_is_missing(judge, seed=int(form.initial["seed"]))
    assert int(form.initial["total"]) == len(proposal.sample.picks) < 15
    assert page.context["is_ready_after"]
    client.post(
        NEW,
        {**_sent(client, address, seed=str(form.initial["seed"])), "step": "when", "go": "check"},
    )
    session = FeedbackSession.objects.get()
    drawn = set(session.items.values_list("trace_id", flat=True))
    assert drawn == {pick.item for pick in proposal.sample.picks}
    assert session.selection["random_share"] == 0.1


def test_steps_go_forward_only_over_what_is_right_and_keep_what_was_typed(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    _traces(judge, ["good", "poor"] * 5)
    client.force_login(lena)
    data = _sent(client, NEW, name="", note="A word", go="who", total="5")
    response = client.post(NEW, data)
    assert (response.status_code, response.context["step"]) == (422, "what")
    page = response.content.decode()
    assert "Give the session a name" in page
    assert "A word" in page
    # back, and to where one has been, always works
    response = client.post(NEW, {**data, "step": "when", "go": "what", "closes_at": "soon"})
    assert (response.status_code, response.context["step"]) == (200, "what")
    assert 'value="soon"' in response.content.decode()


@pytest.mark.parametrize(
    ("changes", "step", "sentence"),
    [
        ({"total": ""}, "what", "Say how many traces are to be reviewed."),
        ({"total": "many"}, "what", "Enter a whole number."),
        ({"random_share": "5"}, "what", "Keep at least 10 % drawn at random"),
        ({"judges": []}, "what", "Choose the judge under whose name people answer."),
        ({"judges": ["999999"]}, "what", "999999 is not one of the available choices"),
        ({"goal": "WIN"}, "what", "WIN is not one of the available choices"),
        ({"mix:good": "a lot"}, "what", "The weight of “good” is no whole number from 0 to 100."),
        ({"by": ["moon"]}, "what", "moon is not one of the available choices"),
        ({"reviewers": []}, "who", "Choose at least one person who reviews."),
        ({"reviewers": ["0"]}, "who", "0 is not one of the available choices"),
        ({"overlap": "2"}, "who", "2 people are to answer each trace, but only 1 review"),
        ({"overlap": "11"}, "who", "less than or equal to 10"),
        ({"shared_items": "9", "total": "5"}, "who", "Only 5 traces are chosen; share at most as many."),
        ({"per_reviewer": "0"}, "who", "greater than or equal to 1"),
        ({"per_reviewer": "2", "shared_items": "3"}, "who", "3 shared items do not fit into batches of 2"),
        ({"rationale_rule": "ON_DISAGREEMENT"}, "who", "While the verdict stays hidden"),
        ({"closes_at": ""}, "when", "Say when the session closes."),
        ({"closes_at": "soon"}, "when", "Write the day and the time as 2026-03-31 17:00."),
        ({"opens_at": "2030-05-02T10:00", "closes_at": "2030-05-01T10:00"}, "when", "must close after it opens"),
        ({"time_zone": "Mars/Base"}, "when", "Mars/Base is not one of the available choices"),
        ({"time_zone": "Europe/Berlin", "closes_at": "2031-03-30T02:30"}, "when", "choose an hour later"),
        ({"grace_minutes": "-1"}, "when", "greater than or equal to 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_on_its_step_and_nothing_is_kept(
    client: Client,
    judge: Judge,
    lena: User,
    alice: User,
    changes: dict[str, Any],
    step: str,
    sentence: str,
) -> None:
    _traces(judge, ["good", "poor"] * 5)
    client.force_login(lena)
    data = _sent(client, NEW, total="6", name="Kept as typed")
    response = client.post(NEW, {**data, **changes, "step": "when", "go": "check"})
    page = response.content.decode()
    assert (response.status_code, response.context["step"]) == (422, step)
    assert sentence in page
    assert "Kept as typed" in page
    assert not FeedbackSession.objects.exists()


def test_traces_of_other_sessions_are_marked_and_left_out_unless_asked_for(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    traces = _traces(judge, ["good"] * 4)
    create_session(judge=judge, reviewers=[alice], traces=traces[:3], actor=lena)
    client.force_login(lena)
    response = client.get(NEW)
    assert [row.size for row in response.context["mix"]] == [1]
    assert "3 traces in another session that is not over" in response.content.decode()
    data = _sent(client, NEW, total="4", with_taken="on")
    preview = client.post(reverse("session-preview"), {**data, "step": "what"})
    page = preview.content.decode()
    assert preview.context["picked_total"] == 4
    assert page.count("in another session") == 3


def test_a_trace_that_was_removed_stays_out_and_the_others_stay_in(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    _traces(judge, ["good", "poor"] * 6)
    client.force_login(lena)
    data = _sent(client, NEW, total="8")
    before = client.post(reverse("session-preview"), data).context["items"]
    for address in (reverse("session-preview"), NEW):
        response = client.post(address, {**data, "remove": str(before[2]["pk"])})
        assert response.status_code == 200
        assert [item["pk"] for item in response.context["items"]] == [
            item["pk"] for item in before if item != before[2]
        ]
    response = client.post(
        NEW, {**data, "removed": response.context["removed"], "step": "when", "go": "check"}
    )
    session = FeedbackSession.objects.get()
    assert session.items.count() == 7
    assert not session.items.filter(trace=before[2]["pk"]).exists()


def test_another_goal_fills_the_mix_anew_and_tells_the_page_to_look_again(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    traces = _traces(judge, ["good"] * 20)
    create_feedback(judge=judge, trace=traces[0], author=alice, value="poor")
    client.force_login(lena)
    data = _sent(client, NEW, goal="SETTLE")
    response = client.post(reverse("session-mix"), data, headers={"HX-Request": "true"})
    assert response.headers["HX-Trigger-After-Swap"] == "mix-changed"
    assert {row.name: row.weight for row in response.context["mix"]} == {
        "no disagreement": "0",
        "disagreement": "100",
    }
    whole = client.post(NEW, {**data, "go": "suggest"})
    assert whole.context["form"].mix().with_reviewed
    by = client.post(NEW, {**data, "goal": "FREE", "go": "by", "by": ["side", "review"]})
    assert [row.name for row in by.context["mix"]] == ["positive · never reviewed"]


def test_a_draft_opens_as_it_was_left(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    _traces(judge, ["good", "poor"] * 10)
    first = save_guideline(actor=lena, judge=judge, text="First", choose_when={})
    save_guideline(actor=lena, judge=judge, text="Second", choose_when={})
    client.force_login(lena)
    data = _sent(
        client,
        NEW,
        name="Refunds",
        total="9",
        random_share="40",
        note="Take your time.",
        time_zone="Asia/Tokyo",
        closes_at="2031-05-01T18:00",
        **{"mix:poor": "70", "mix:good": "30", f"guideline_{judge.pk}": str(first.pk)},
    )
    response = client.post(NEW, {**data, "go": "draft"}, follow=True)
    session = FeedbackSession.objects.get()
    assert "Refunds is kept as a draft. Nobody was told." in response.content.decode()
    assert session.session_judges.get().guideline == first
    edit = reverse("session-edit", args=[session.pk])
    again = _sent(client, edit)
    for name in ("name", "note", "time_zone", "closes_at", "mix:poor"):
        assert again[name] == data[name] or again[name] == "100"  # weights are relative
    assert (str(again["total"]), str(again["random_share"])) == ("9", "40")
    client.post(edit, {**again, "name": "Refunds, twice", "step": "when", "go": "check"})
    assert FeedbackSession.objects.get().name == "Refunds, twice"


def test_traces_that_an_address_names_are_chosen_by_hand(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    traces = _traces(judge, ["good", None, "poor"])
    create_feedback(judge=judge, trace=traces[0], author=alice)
    client.force_login(lena)
    named = f"{traces[0].trace_id},{traces[1].trace_id},no-such-trace"
    address = f"{NEW}?goal=SETTLE&judge={judge.pk}&traces={named}"
    client.post(NEW, {**_sent(client, address, shared_items="0"), "step": "when", "go": "check"})
    session = FeedbackSession.objects.get()
    assert set(session.items.values_list("trace_id", flat=True)) == {traces[0].pk, traces[1].pk}


def test_a_copy_keeps_people_and_settings_and_draws_anew(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    traces = _traces(judge, ["good", "poor"] * 5)
    session = create_session(
        judge=judge, reviewers=[alice], traces=traces[:2], actor=lena, overlap=1
    )
    client.force_login(lena)
    response = client.post(reverse("session-copy", args=[session.pk]), follow=True)
    form = response.context["form"]
    assert form.initial["name"] == f"Copy of {session.name}"
    assert form.initial["reviewers"] == [str(alice.pk)]
    assert form.initial["total"] == "2"
    assert response.context["picked_total"] == 2


def test_a_copy_draws_in_the_way_of_the_first_session_but_no_trace_by_hand(
    client: Client, judge: Judge, lena: User, team: Team
) -> None:
    traces = _traces(judge, ["good", "poor"] * 5)
    create_user(team=team)
    client.force_login(lena)
    by_hand = {"picked": str(traces[0].pk), "total": "4", "random_share": "50"}
    client.post(NEW, {**_sent(client, NEW, **by_hand), "step": "when", "go": "check"})
    session = FeedbackSession.objects.get()
    response = client.post(reverse("session-copy", args=[session.pk]), follow=True)
    initial = response.context["form"].initial
    assert (initial["total"], initial["random_share"], initial["picked"]) == ("4", "50", "")


def test_a_lead_sees_no_judge_and_no_person_of_another_team(
    client: Client, judge: Judge, lena: User
) -> None:
    elsewhere = create_team(name="Elsewhere")
    stranger = create_user(username="stranger", team=elsewhere)
    strange = create_judge(experiment=create_experiment(team=elsewhere), name="strange")
    _traces(judge, ["good"])
    client.force_login(lena)
    page = client.get(f"{NEW}?judge={strange.pk}").content.decode()
    assert "strange" not in page
    data = _sent(client, NEW, judges=[str(strange.pk)], reviewers=[str(stranger.pk)])
    assert client.post(NEW, {**data, "step": "when", "go": "check"}).status_code == 422
    assert not FeedbackSession.objects.exists()


def test_judges_of_two_experiments_cannot_be_in_one_session(
    client: Client, judge: Judge, team: Team, lena: User, alice: User
) -> None:
    other = create_judge(experiment=create_experiment(team=team), name="tone")
    _traces(judge, ["good"])
    client.force_login(lena)
    data = _sent(client, NEW, judges=[str(judge.pk), str(other.pk)])
    response = client.post(NEW, {**data, "go": "who"})
    assert response.status_code == 422
    assert "These judges belong to different experiments" in response.content.decode()


def test_without_a_judge_the_builder_says_what_comes_first(client: Client, lena: User) -> None:
    client.force_login(lena)
    response = client.get(NEW, follow=True)
    assert "make a judge first" in response.content.decode()


def test_without_a_candidate_it_says_what_is_left_out(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    _traces(judge, [None, None])
    client.force_login(lena)
    data = _sent(client, NEW)
    response = client.post(NEW, {**data, "step": "when", "go": "check"})
    page = response.content.decode()
    assert response.status_code == 422
    assert "No trace fits this choice" in page
    assert "2 traces without a verdict" in page


def test_the_number_of_queries_does_not_grow_with_traces_or_people(
    client: Client, judge: Judge, team: Team, lena: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(NEW).status_code == 200
        return len(captured)

    client.force_login(lena)
    _traces(judge, ["good", "poor"] * 6)
    create_user(team=team)
    queries()  # what a process remembers between requests
    few = queries()
    _traces(judge, ["good", "poor", "fair"] * 10)
    for _ in range(6):
        create_user(team=team, role=Role.EXPERT)
    queries()  # the judge's figures are kept from then on
    assert queries() == few


def test_readiness_then_is_what_the_mix_is_expected_to_bring(
    client: Client, judge: Judge, lena: User
) -> None:
    _traces(judge, ["poor"] * 20)
    client.force_login(lena)
    data = _sent(client, NEW, goal="FREE", total="10", random_share="100")
    response = client.post(reverse("session-preview"), {**data, "step": "what"})
    outlook = response.context["readiness_after"]
    assert response.context["readiness_before"].words == "0 positive, 0 negative"
    assert Side.NEGATIVE.value.lower() in outlook.words
    assert "Then it is likely to lack" in response.content.decode()


@pytest.mark.parametrize(
    ("total", "people", "shared"),
    [(60, 5, 3), (12, 5, 0), (20, 4, 2), (3, 3, 0), (10, 1, 3), (1, 1, 0)],
)
def test_the_shared_slice_takes_at_most_a_third_more_answers(
    total: int, people: int, shared: int
) -> None:
    assert shared_that_fits(total=total, people=people) == shared
