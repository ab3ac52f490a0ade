"""My batches, the way into one, and the pages at its end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from annotator.models import Assessment, AssignmentState, Judge, SessionStatus, Team, User
from annotator.services import assignments, session_states, submissions
from tests.annotator.batch_world import answer_all, batch, create_batch, page_text
from tests.factories import create_experiment, create_feedback, create_judge, create_user


@pytest.fixture
def judge(team: Team) -> Judge:
    """A judge of four grades."""
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def bob(team: Team) -> User:
    """Another expert of the team."""
    return create_user(username="bob", team=team)


def _review(session) -> str:
    return reverse("batch-review", args=[session.pk])


def test_the_batch_opens_at_the_first_item_that_waits(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first, second, _ = batch(session, alice)
    assert as_alice.get(_review(session))["Location"].endswith(f"/review/{first.pk}/")
    assignments.skip(user=alice, assignment=first, reason="NOT_MY_FIELD")
    assert as_alice.get(_review(session))["Location"].endswith(f"/review/{second.pk}/")
    assert as_alice.get(f"{_review(session)}?after={second.pk}")["Location"].endswith(
        f"/review/{batch(session, alice)[2].pk}/"
    )


def test_the_list_says_what_waits_and_until_when(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(
        judges=[judge], reviewers=[alice], name="Late parcels", time_zone="Europe/Paris"
    )
    assignments.skip(user=alice, assignment=batch(session, alice)[0], reason="NOT_MY_FIELD")
    page = page_text(as_alice, reverse("batch-list"))
    assert "Late parcels" in page
    assert "1 of 3, 3 shared" in page
    assert "(Europe/Paris)" in page
    assert "Late parcels" in page_text(as_alice, "/")


def test_extra_time_is_shown_only_once_it_runs(as_alice: Client, alice: User, judge: Judge) -> None:
    session = create_batch(judges=[judge], reviewers=[alice], grace_minutes=60)
    assert session.closes_at is not None
    assert session.closes_at.isoformat() in page_text(as_alice, reverse("batch-list"))
    session.status = SessionStatus.GRACE
    session.save(update_fields=["status"])
    assert session.ends_at is not None
    assert session.ends_at.isoformat() in page_text(as_alice, reverse("batch-list"))


def test_nobody_is_asked_and_the_page_says_when_the_next_session_opens(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    assert "No session is planned for you yet" in page_text(as_alice, reverse("batch-list"))
    session = create_batch(judges=[judge], reviewers=[alice], opens_in=timedelta(days=2))
    page = page_text(as_alice, reverse("batch-list"))
    assert f"“{session.name}”, opens" in page
    assert "It opens" in page_text(as_alice, _review(session))
    calendar = as_alice.get(reverse("session-calendar", args=[session.pk]))
    assert calendar["Content-Type"] == "text/calendar"
    first = batch(session, alice)[0]
    answer = as_alice.get(reverse("batch-item", args=[session.pk, first.pk]))
    assert answer["Location"] == _review(session)


def test_a_closed_session_says_so_and_shows_answers_that_cannot_be_changed(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    answer_all(session, alice, "poor")
    session_states.close_session(session=session, now=timezone.now())
    end = page_text(as_alice, _review(session))
    assert "It closed" in end
    assert "Read your answers" in end
    first = batch(session, alice)[0]
    page = page_text(as_alice, reverse("batch-item", args=[session.pk, first.pk]))
    assert "data-read-only" in page
    assert 'name="action" value="submit"' not in page


def test_the_last_page_counts_and_offers_no_more_where_nothing_is_left(
    as_alice: Client, alice: User, lena: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice, lena], take_more=True)
    answer_all(session, alice, "poor")
    page = page_text(as_alice, _review(session))
    assert "Your batch is done. Thank you." in page
    assert "3 shared items still wait for others." in page
    assert "Nothing else in this session needs an answer from you." in page
    assert reverse("batch-more", args=[session.pk]) not in page
    answer = as_alice.post(reverse("batch-more", args=[session.pk]), follow=True)
    assert "Nothing is free just now" in answer.content.decode()


def test_what_is_held_by_others_is_said_with_when_it_is_free(
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
    assignments.hold(user=lena, assignment=batch(session, lena)[0])
    answer_all(session, alice, "good")
    page = page_text(as_alice, _review(session))
    assert "1 item of the session is left, held by 1 colleague; the next is free by" in page
    assert 'hx-trigger="every 20s"' in page


def test_more_items_are_taken_from_what_nobody_has(
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
    answer_all(session, alice, "good")
    assignments.skip(user=lena, assignment=batch(session, lena)[0], reason="NOT_MY_FIELD")
    as_alice.post(reverse("batch-more", args=[session.pk]))
    assert [each.state for each in batch(session, alice)] == ["DONE", "TODO"]


def test_own_figures_say_what_was_settled_differently(
    as_alice: Client, alice: User, lena: User, adam: User, judge: Judge
) -> None:
    lena.first_name, lena.last_name = "Lena", "Lund"
    lena.save(update_fields=["first_name", "last_name"])
    session = create_batch(judges=[judge], reviewers=[alice])
    answer_all(session, alice, "poor")
    traces = [each.item.trace for each in batch(session, alice)]
    for colleague in (lena, adam):
        create_feedback(judge=judge, trace=traces[0], author=colleague, value="good")
    create_feedback(judge=judge, trace=traces[1], author=lena, value="poor")
    page = page_text(as_alice, _review(session))
    assert "1 of 2" in page
    assert "Settled differently since" in page
    assert "Lena Lund" in page
    assert traces[0].trace_id in page
    assert traces[1].trace_id not in page


def test_the_last_answer_is_undone_and_opens_as_a_draft(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first, second, third = batch(session, alice)
    for number, place in enumerate((first, third, second)):
        submissions.submit(
            user=alice,
            assignment=place,
            judge=judge,
            submission_id=f"s{number}",
            value="poor",
            rationale=f"Reason {number}.",
        )
    undo = reverse("batch-undo", args=[session.pk])
    answer = as_alice.post(undo)
    assert answer["Location"].endswith(f"/review/{second.pk}/")
    assert "Reason 2." in page_text(as_alice, answer["Location"])
    assert as_alice.post(undo)["Location"].endswith(f"/review/{third.pk}/")
    assert Assessment.objects.human().filter(author=alice).count() == 1
    states = [each.state for each in batch(session, alice)]
    assert states == [AssignmentState.DONE, AssignmentState.DRAFT, AssignmentState.DRAFT]


def test_undo_ends_with_the_session(as_alice: Client, alice: User, judge: Judge) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    answer_all(session, alice, "poor")
    session_states.close_session(session=session, now=timezone.now())
    answer = as_alice.post(reverse("batch-undo", args=[session.pk]), follow=True)
    assert "is over; answers can no longer be undone" in answer.content.decode()
    assert Assessment.objects.human().filter(author=alice).count() == 3


def test_there_is_nothing_to_undo_at_first(as_alice: Client, alice: User, judge: Judge) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    answer = as_alice.post(reverse("batch-undo", args=[session.pk]), follow=True)
    assert "no answer of yours to undo" in answer.content.decode()


@pytest.mark.parametrize("person", ["olga", "bob", "lena"])
def test_who_does_not_review_in_a_session_finds_none_of_its_routes(
    person: str, client: Client, alice: User, olga: User, lena: User, bob: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    first = batch(session, alice)[0]
    client.force_login(User.objects.get(username=person))
    item = [session.pk, first.pk]
    for name in ("batch-review", "batch-item"):
        arguments = item if name == "batch-item" else item[:1]
        assert client.get(reverse(name, args=arguments)).status_code == 404
    for name in ("batch-more", "batch-undo", "batch-item", "batch-beat", "batch-leave"):
        arguments = item if name in ("batch-item", "batch-beat", "batch-leave") else item[:1]
        assert client.post(reverse(name, args=arguments), {"value": "good"}).status_code == 404
    assert session.name not in page_text(client, reverse("batch-list"))
    assert not Assessment.objects.human().exists()


def test_a_reviewer_does_not_find_a_colleagues_item(
    as_alice: Client, alice: User, bob: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice, bob])
    theirs = batch(session, bob)[0]
    address = reverse("batch-item", args=[session.pk, theirs.pk])
    assert as_alice.get(address).status_code == 404
    assert as_alice.post(address, {"value": "good"}).status_code == 404


def test_the_pages_ask_for_a_sign_in_and_the_right_method(
    client: Client, alice: User, judge: Judge
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice])
    assert reverse("login") in client.get(_review(session))["Location"]
    client.force_login(alice)
    assert client.post(_review(session)).status_code == 405
    assert client.get(reverse("batch-undo", args=[session.pk])).status_code == 405
    assert client.get(reverse("batch-review", args=[99_999])).status_code == 404


def test_the_list_asks_as_much_of_the_database_however_many_batches_there_are(
    as_alice: Client, alice: User, judge: Judge
) -> None:
    create_batch(judges=[judge], reviewers=[alice], items=2)
    as_alice.get(reverse("batch-list"))
    with CaptureQueriesContext(connection) as one:
        as_alice.get(reverse("batch-list"))
    for _ in range(3):
        create_batch(judges=[judge], reviewers=[alice], items=2)
    with CaptureQueriesContext(connection) as four:
        as_alice.get(reverse("batch-list"))
    assert len(four) == len(one)
