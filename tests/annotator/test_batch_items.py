"""The review screen without a script: a plain form post for everything."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotator.models import (
    Assessment,
    Assignment,
    AssignmentState,
    Judge,
    Reviewer,
    Span,
    Team,
    User,
)
from annotator.services import assignments, session_states
from tests.annotator.batch_world import (
    answer_all,
    batch,
    create_batch,
    item_address,
    page_text,
    state_of,
)
from tests.factories import create_experiment, create_judge, create_trace

HTMX = {"HX-Request": "true"}


@pytest.fixture
def judge(team: Team) -> Judge:
    """A judge of four grades."""
    return create_judge(experiment=create_experiment(team=team))


def test_a_plain_post_answers_and_leads_to_the_next_item(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first, second, _ = batch(session, alice)
    answer = as_alice.post(
        item_address(first),
        {"value": "poor", "rationale": "No day.", "submission": "a1", "action": "submit"},
    )
    following = as_alice.get(answer["Location"])
    assert following["Location"] == item_address(second)
    given = Assessment.objects.human().get(author=alice)
    assert (given.value, given.rationale, given.visibility) == ("poor", "No day.", "BLIND")
    assert given.assignment_id == first.pk


def test_the_same_submission_twice_is_one_answer(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first = batch(session, alice)[0]
    for _ in range(2):
        answer = as_alice.post(
            item_address(first), {"value": "poor", "submission": "a1"}, headers=HTMX
        )
        assert answer.status_code == 200
        assert 'data-text="Submitted"' in answer.content.decode()
    assert Assessment.objects.filter(author=alice).count() == 1


def test_a_missing_choice_comes_back_beside_the_field_with_what_was_typed(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice], rationale_rule="ALWAYS")
    first = batch(session, alice)[0]
    answer = as_alice.post(item_address(first), {"rationale": "No <day>.", "submission": "a1"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Choose your answer first" in page
    assert "No &lt;day&gt;." in page
    answer = as_alice.post(item_address(first), {"value": "good", "submission": "a1"}, headers=HTMX)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Give your reason in a sentence." in page
    assert 'id="focus-side"' in page
    assert "<html" not in page
    assert state_of(first) == AssignmentState.TODO


def test_a_draft_waits_on_the_server_and_comes_back(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first = batch(session, alice)[0]
    as_alice.post(
        item_address(first),
        {"action": "draft", "value": "fair", "rationale": "Half of it.", "confidence": "low"},
    )
    page = page_text(as_alice, item_address(first))
    assert "Draft saved" in page
    assert "Half of it." in page
    assert 'value="low" checked' in page
    assert state_of(first) == AssignmentState.DRAFT
    assert not Assessment.objects.human().exists()


def test_skipping_and_flagging_keep_their_reasons(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first, second, third = batch(session, alice)
    as_alice.post(item_address(first), {"skip": "NOT_ENOUGH", "skip_text": "No order number"})
    as_alice.post(item_address(second), {"flag": "Personal or secret data", "flag_text": "A phone"})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.reason, first.reason_text) == (
        "SKIPPED",
        "NOT_ENOUGH",
        "No order number",
    )
    assert (second.state, second.reason_text) == ("FLAGGED", "Personal or secret data: A phone")
    answer = as_alice.post(item_address(third), {"skip": "OTHER"})
    assert answer.status_code == 422
    assert "Say in a few words why you skip it." in answer.content.decode()


def test_a_skipped_item_can_be_answered_after_all(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first = batch(session, alice)[0]
    as_alice.post(item_address(first), {"skip": "NOT_ENOUGH"})
    as_alice.post(item_address(first), {"value": "fair", "submission": "a1"})
    assert state_of(first) == AssignmentState.DONE


def test_each_judge_has_a_tab_and_a_submit_goes_to_the_next_then_to_the_next_item(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    other = create_judge(experiment=judge.experiment, name="tone", description="Is it polite?")
    session = create_batch(judges=[judge, other], reviewers=[alice])
    first = batch(session, alice)[0]
    page = page_text(as_alice, item_address(first))
    assert page.count("data-judge-tab") == 2
    answer = as_alice.post(item_address(first, judge), {"value": "good", "submission": "a1"})
    assert answer["Location"] == item_address(first, other)
    assert "Is it polite?" in page_text(as_alice, answer["Location"])
    answer = as_alice.post(item_address(first, other), {"value": "poor", "submission": "a2"})
    assert "?after=" in answer["Location"]
    assert state_of(first) == AssignmentState.DONE
    assert as_alice.get(item_address(first) + "?judge=99999").status_code == 404


@pytest.mark.parametrize("way", ["the draft was cleared", "it was skipped and taken up again"])
def test_an_answer_under_one_judge_stays_in_sight_while_the_other_judge_waits(
    as_alice: Client, alice: User, judge: Judge, way: str
) -> None:
    other = create_judge(experiment=judge.experiment, name="tone")
    session = create_batch(judges=[judge, other], reviewers=[alice])
    first = batch(session, alice)[0]
    as_alice.post(item_address(first, judge), {"value": "poor", "submission": "a1"})
    if way == "the draft was cleared":
        as_alice.post(item_address(first, other), {"action": "draft", "value": "good"})
        as_alice.post(item_address(first, other), {"action": "draft"})
    else:
        as_alice.post(item_address(first, other), {"skip": "NOT_ENOUGH"})
        first.refresh_from_db()
        assignments.take_up_again(user=alice, assignment=first)
    assert state_of(first) == AssignmentState.DRAFT
    page = page_text(as_alice, item_address(first, judge))
    assert 'data-state="done"' in page.split('id="focus-answer"')[1].split(">")[0]
    assert re.search(r'value="poor"[^>]*\schecked', page)


def test_a_step_and_a_turn_can_be_rated_alone_and_the_whole_trace_still_waits(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    trace = create_trace(
        experiment=judge.experiment,
        inputs={"messages": [{"role": "user", "content": "Where is it?"}]},
        outputs={"message": {"role": "assistant", "content": "In Bonn."}},
    )
    Span.objects.create(trace=trace, span_id="s1", name="track", start_ns=0, end_ns=1)
    session = create_batch(judges=[judge], reviewers=[alice], traces=[trace])
    place = batch(session, alice)[0]
    page = page_text(as_alice, item_address(place))
    assert "about=turn-2" in page
    page = page_text(as_alice, f"{item_address(place, judge)}&about=turn-2")
    assert "About <strong>turn 2</strong> only" in page
    for number, part in enumerate(("turn-2", "s1")):
        as_alice.post(
            item_address(place, judge), {"value": "poor", "about": part, "submission": f"p{number}"}
        )
    parts = Assessment.objects.human().filter(author=alice).values_list("span_id", flat=True)
    assert set(parts) == {"turn-2", "s1"}
    page = page_text(as_alice, item_address(place))
    assert "turn 2:" in page
    assert "step track:" in page
    assert state_of(place) != AssignmentState.DONE
    answer = as_alice.post(
        item_address(place, judge), {"value": "poor", "about": "turn-9", "submission": "p9"}
    )
    assert answer.status_code == 422
    assert "There is no such step" in answer.content.decode()


def test_an_answer_after_the_hold_ended_is_kept_and_told(
    as_alice: Client, alice: User, lena: User, judge: Judge
) -> None:
    session = create_batch(
        judges=[judge],
        reviewers=[alice, lena],
        items=2,
        overlap=1,
        shared_items=0,
        per_reviewer=1,
        take_more=True,
    )
    place = batch(session, alice)[0]
    page_text(as_alice, item_address(place))
    Assignment.objects.filter(pk=place.pk).update(lease_until=timezone.now())
    answer_all(session, lena, "good")
    taken = assignments.take_more(user=lena, session=session)
    assert [each.item_id for each in taken] == [place.item_id]
    answer_all(session, lena, "good")
    answer = as_alice.post(
        item_address(place), {"value": "poor", "submission": "a1"}, headers=HTMX
    ).content.decode()
    assert "Your hold ended at" in answer
    assert "your answer was kept as an extra, because others had answered meanwhile" in answer
    assert Assessment.objects.human().filter(author=alice, value="poor").exists()


def test_what_others_have_answered_meanwhile_is_marked_in_the_list_and_passed_over(
    as_alice: Client, alice: User, lena: User, judge: Judge
) -> None:
    session = create_batch(
        judges=[judge],
        reviewers=[alice, lena],
        items=4,
        overlap=1,
        shared_items=0,
        per_reviewer=2,
        take_more=True,
    )
    first, second = batch(session, alice)
    page_text(as_alice, item_address(first))
    Assignment.objects.filter(pk=first.pk).update(lease_until=timezone.now())
    assignments.take_more(user=lena, session=session)
    answer_all(session, lena, "good")
    page = page_text(as_alice, item_address(second))
    assert f'data-place="{first.pk}" data-state="taken"' in page
    assert "answered by others" in page
    answer = as_alice.get(item_address(first))
    assert answer["Location"] == reverse("batch-review", args=[session.pk])
    assert as_alice.get(answer["Location"])["Location"] == item_address(second)


def test_an_answer_on_its_way_is_kept_from_who_was_taken_out_and_after_the_end(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first, second, _ = batch(session, alice)
    Reviewer.objects.filter(session=session).update(removed_at=timezone.now())
    answer = as_alice.post(item_address(first), {"value": "poor", "submission": "a1"}, headers=HTMX)
    assert "Kept as an extra answer" in answer.content.decode()
    assert as_alice.post(item_address(first), {"action": "draft"}).status_code == 404
    assert as_alice.get(item_address(first)).status_code == 404
    session_states.close_session(session=session, now=timezone.now())
    answer = as_alice.post(item_address(second), {"value": "poor", "submission": "a2"})
    assert answer["Location"] == reverse("batch-list")
    assert Assessment.objects.human().filter(author=alice).count() == 2


def test_once_the_session_is_over_answers_are_read_and_the_way_to_change_one_is_shown(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    place = batch(session, alice)[0]
    session_states.close_session(session=session, now=timezone.now())
    text = page_text(as_alice, item_address(place))
    assert "The session is over, and your answers stay as they are." in text
    assert reverse("trace-detail", args=[place.item.trace.trace_id]) in text
    assert 'data-do="submit"' not in text
    assert 'data-do="undo"' not in text
    answer = as_alice.post(item_address(place), {"value": "poor", "submission": "a1"}, headers=HTMX)
    assert "The session is over; your answer was kept as an extra." in answer.content.decode()


def test_opening_an_item_holds_it_and_fetching_it_beforehand_does_not(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first, second, _ = batch(session, alice)
    as_alice.get(item_address(second), headers={**HTMX, "X-Ahead": "1"})
    second.refresh_from_db()
    assert second.lease_until is None
    as_alice.get(item_address(first))
    first.refresh_from_db()
    assert first.lease_until is not None
    beat = reverse("batch-beat", args=[session.pk, first.pk])
    assert as_alice.post(beat, {"seconds": "20"}).status_code == 204
    first.refresh_from_db()
    assert first.active_seconds == 20
    leave = reverse("batch-leave", args=[session.pk, first.pk])
    assert as_alice.post(leave).status_code == 204
    assert Assignment.objects.get(pk=first.pk).lease_until is None
    assert as_alice.get(beat).status_code == 405
    assert as_alice.get(leave).status_code == 405


def test_a_trace_that_cannot_be_shown_comes_raw_with_the_reason_to_skip_ready(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    trace = create_trace(experiment=judge.experiment, inputs=None, outputs=None)
    session = create_batch(judges=[judge], reviewers=[alice], traces=[trace])
    page = page_text(as_alice, item_address(batch(session, alice)[0]))
    assert "This trace cannot be shown for reading" in page
    assert 'value="CANNOT_DISPLAY" autofocus' in page


def test_the_time_left_is_told_in_the_last_hour(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    for minutes, is_told in ((30, True), (90, False)):
        session = create_batch(
            judges=[judge],
            reviewers=[alice],
            closes_at=timezone.now() + timedelta(minutes=minutes, seconds=-5),
        )
        page = page_text(as_alice, item_address(batch(session, alice)[0]))
        assert ("30 min left" in page) is is_told


def test_a_filter_that_hides_everything_can_be_cleared(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    page = page_text(as_alice, item_address(batch(session, alice)[0]) + "?show=skipped")
    assert "No item is “" in page
    assert "Clear" in page


def test_the_screen_asks_as_much_of_the_database_however_long_the_batch_is(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    counts = []
    for items in (2, 12):
        session = create_batch(judges=[judge], reviewers=[alice], items=items)
        place = batch(session, alice)[0]
        as_alice.get(item_address(place))
        with CaptureQueriesContext(connection) as asked:
            as_alice.get(item_address(place))
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_an_answer_and_the_next_item_ask_the_same_of_the_database_whatever_there_is_already(
    as_alice: Client, alice: User, lena: User, judge: Judge
) -> None:
    counts = []
    for items in (3, 12):
        session = create_batch(judges=[judge], reviewers=[alice, lena], items=items)
        answer_all(session, lena, "fair")
        first, second, *_ = batch(session, alice)
        as_alice.get(item_address(first), headers=HTMX)
        form = {"value": "good", "submission": f"one-of-{items}", "ahead": str(second.pk)}
        with CaptureQueriesContext(connection) as answering:
            answer = as_alice.post(item_address(first, judge), form, headers=HTMX)
        assert f'data-ahead="{second.pk}"' in answer.content.decode()
        with CaptureQueriesContext(connection) as holding:
            assert as_alice.post(f"{item_address(second)}beat/", headers=HTMX).status_code == 204
        assert state_of(first) == AssignmentState.DONE
        counts.append((len(answering), len(holding)))
    assert counts[0] == counts[1]
    # With the person's login and roles, the transaction and its savepoint.
    assert counts[0] <= (29, 5)


def test_an_answer_reads_nothing_of_the_trace_itself(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    place = batch(create_batch(judges=[judge], reviewers=[alice]), alice)[0]
    with CaptureQueriesContext(connection) as asked:
        as_alice.post(
            item_address(place, judge), {"value": "good", "submission": "s"}, headers=HTMX
        )
    assert state_of(place) == AssignmentState.DONE
    assert not [query for query in asked if '"annotator_trace"."outputs"' in query["sql"]]


def test_who_is_taken_out_while_the_item_is_open_finds_it_no_more(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    place = batch(create_batch(judges=[judge], reviewers=[alice]), alice)[0]
    Reviewer.objects.filter(pk=place.reviewer_id).update(removed_at=timezone.now())
    for headers in (HTMX, {}):
        assert as_alice.post(item_address(place, judge), {}, headers=headers).status_code == 404


def test_an_answer_brings_the_item_along_that_the_script_lacks(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first, second, _ = batch(session, alice)
    form = {"value": "poor", "submission": "a1", "ahead": str(second.pk)}
    answer = as_alice.post(item_address(first), form, headers=HTMX).content.decode()
    ahead = {"HX-Request": "true", "X-Ahead": "1"}
    alone = as_alice.get(item_address(second), headers=ahead).content.decode()
    brought = answer.split(f'<template data-ahead="{second.pk}">')[1].removesuffix("</template>\n")
    for text in (
        'id="focus-read"',
        'id="focus-answer"',
        f'data-step="{second.pk}"',
        'data-number="2"',
    ):
        assert text in brought
    assert len(brought.split()) == len(alone.split())
    assert state_of(second) == AssignmentState.TODO
    second.refresh_from_db()
    assert second.lease_until is None  # it is in front of nobody yet


def test_an_answer_brings_no_item_along_that_is_in_somebody_elses_batch(
    as_alice: Client, alice: User, lena: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice, lena])
    mine, others = batch(session, alice)[0], batch(session, lena)[-1]
    for wish in (str(others.pk), "no number", "9" * 40):
        form = {"value": "poor", "submission": "a1", "ahead": wish}
        answer = as_alice.post(item_address(mine), form, headers=HTMX)
        assert answer.status_code == 200
        assert "data-ahead" not in answer.content.decode()
