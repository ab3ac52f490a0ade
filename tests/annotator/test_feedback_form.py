"""Giving, correcting, deleting and restoring feedback on the trace page, with htmx and without."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Assessment, Experiment, Judge, Label, Team, Trace, User
from annotator.services.feedback import RATIONALE_LENGTH
from judges.values import ValueKind, ValueType
from tests.factories import create_experiment, create_feedback, create_judge, create_trace

HTMX = {"HX-Request": "true"}


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team, name="support")


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment, name="quality")


@pytest.fixture
def trace(experiment: Experiment) -> Trace:
    return create_trace(experiment=experiment)


def post(
    client: Client,
    trace: Trace,
    judge: Judge,
    *,
    htmx: bool = False,
    query: str = "",
    **fields: str,
) -> Any:
    address = reverse("trace-detail", args=[trace.trace_id]) + query
    return client.post(
        address, {"judge": judge.pk, "action": "answer", **fields}, headers=HTMX if htmx else {}
    )


def valid_of(user: User) -> list[tuple[Any, str]]:
    rows = Assessment.objects.human().filter(author=user).order_by("pk")
    return [(row.value, row.rationale) for row in rows]


def test_a_plain_post_saves_and_leads_back_to_the_page(
    client: Client, alice: User, trace: Trace, judge: Judge
) -> None:
    client.force_login(alice)
    response = post(
        client, trace, judge, query="?list=feedback%3Dnone", value="poor", rationale=" No date. "
    )
    assert response.status_code == 302
    assert (
        response["Location"]
        == f"/trace/{trace.trace_id}?list=feedback%3Dnone&judge={judge.pk}#judge-{judge.pk}"
    )
    assert valid_of(alice) == [("poor", "No date.")]
    assert Label.objects.get(trace=trace, judge=judge).value == "poor"
    assert "Feedback saved." in client.get(response["Location"]).content.decode()


def test_htmx_gets_the_judge_s_card_alone(
    client: Client, alice: User, trace: Trace, judge: Judge
) -> None:
    client.force_login(alice)
    response = post(client, trace, judge, htmx=True, value="poor")
    page = response.content.decode()
    assert response.status_code == 200
    assert page.lstrip().startswith("<details")
    assert f'id="judge-{judge.pk}"' in page
    assert "<html" not in page
    assert "Feedback saved." in page
    assert "feedback-changed" in response["HX-Trigger"]


def test_after_saving_the_way_leads_to_the_next_judge_then_to_the_next_trace(
    client: Client, alice: User, experiment: Experiment, trace: Trace, judge: Judge
) -> None:
    other = create_judge(experiment=experiment, name="tone")
    create_trace(experiment=experiment, trace_id="tr-newer")
    newer = Trace.objects.get(trace_id="tr-newer")
    client.force_login(alice)
    page = post(client, newer, judge, htmx=True, value="poor").content.decode()
    assert "Next: tone" in page
    page = post(client, newer, other, htmx=True, value="poor").content.decode()
    assert "Next trace" in page
    assert f"/trace/{trace.trace_id}" in page
    post(client, trace, judge, htmx=True, value="poor")
    page = post(client, trace, other, htmx=True, value="good").content.decode()
    assert "It was the last trace of the list." in page
    assert f'href="/judges/{other.pk}/review/"' in page


@pytest.mark.parametrize("htmx", [False, True])
def test_nothing_chosen_comes_back_with_what_was_typed(
    client: Client, alice: User, trace: Trace, judge: Judge, htmx: bool
) -> None:
    client.force_login(alice)
    response = post(client, trace, judge, htmx=htmx, rationale="My long reason")
    page = response.content.decode()
    assert response.status_code == 422
    assert "Choose your answer first: one of: excellent, good, fair, poor." in page
    assert "My long reason" in page
    assert 'aria-invalid="true"' in page
    assert "autofocus" in page
    assert ("<html" in page) is not htmx
    assert valid_of(alice) == []


BOUNDED = ValueType(kind=ValueKind.NUMBER, minimum=0, maximum=10)


@pytest.mark.parametrize(
    ("value_type", "typed", "saved"),
    [
        (ValueType(kind=ValueKind.BOOLEAN), "true", True),
        (ValueType(kind=ValueKind.BOOLEAN), "false", False),
        (ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5), "3", 3),
        (ValueType(kind=ValueKind.INTEGER), "-12", -12),
        (BOUNDED, "2.5", 2.5),
        (BOUNDED, "0", 0.0),
        (ValueType(kind=ValueKind.TEXT), "Free words", "Free words"),
        (ValueType(kind=ValueKind.CATEGORY, categories=(1, 2, "other")), "2", 2),
    ],
)
def test_each_kind_of_value_is_saved_as_what_it_is(
    client: Client,
    alice: User,
    experiment: Experiment,
    trace: Trace,
    value_type: ValueType,
    typed: str,
    saved: object,
) -> None:
    judge = create_judge(experiment=experiment, name="any", value_type=value_type)
    client.force_login(alice)
    assert post(client, trace, judge, value=typed).status_code == 302
    [(value, _)] = valid_of(alice)
    assert value == saved
    assert type(value) is type(saved)


@pytest.mark.parametrize(
    ("value_type", "typed", "message"),
    [
        (ValueType(kind=ValueKind.BOOLEAN), "", "Choose your answer first: yes or no."),
        (ValueType(kind=ValueKind.BOOLEAN), "maybe", "is not yes or no"),
        (BOUNDED, "11", "is not a number from 0 to 10"),
        (BOUNDED, "", "Write your answer first: a number from 0 to 10."),
        (BOUNDED, "nan", "is not a number from 0 to 10"),
        (ValueType(kind=ValueKind.INTEGER), "2.5", "is not a whole number"),
        (ValueType(kind=ValueKind.INTEGER), "9" * 400, "is not a whole number"),
        (ValueType(kind=ValueKind.TEXT), "   ", "Write your answer first"),
        (
            ValueType(kind=ValueKind.CATEGORY, categories=("a", "b")),
            "<c>",
            "“&lt;c&gt;” is not one of: a, b",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    client: Client,
    alice: User,
    experiment: Experiment,
    trace: Trace,
    value_type: ValueType,
    typed: str,
    message: str,
) -> None:
    judge = create_judge(experiment=experiment, name="any", value_type=value_type)
    client.force_login(alice)
    response = post(client, trace, judge, value=typed)
    assert response.status_code == 422
    assert message in response.content.decode()
    assert valid_of(alice) == []


def test_numbers_get_a_field_with_bounds(
    client: Client, alice: User, experiment: Experiment, trace: Trace
) -> None:
    create_judge(experiment=experiment, name="minutes", value_type=BOUNDED)
    client.force_login(alice)
    page = client.get(reverse("trace-detail", args=[trace.trace_id])).content.decode()
    assert 'type="number"' in page
    assert 'min="0"' in page
    assert 'max="10"' in page


def test_a_huge_reason_is_refused(client: Client, alice: User, trace: Trace, judge: Judge) -> None:
    client.force_login(alice)
    response = post(client, trace, judge, value="poor", rationale="x" * (RATIONALE_LENGTH + 1))
    assert response.status_code == 422
    assert "shorten it" in response.content.decode()


def test_cannot_judge_counts_as_answered_and_never_votes(
    client: Client, alice: User, trace: Trace, judge: Judge
) -> None:
    client.force_login(alice)
    reason = "Not enough information in the trace"
    response = post(
        client,
        trace,
        judge,
        action="decline",
        value="poor",
        decline=reason,
        decline_text="No order.",
    )
    assert response.status_code == 302
    row = Assessment.objects.human().get(author=alice)
    assert (row.value, row.declined_reason) == (None, f"{reason}: No order.")
    assert not Label.objects.exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Choose why it cannot be judged."),
        ({"decline": "other"}, "Say in a few words why it cannot be judged."),
        ({"decline": "nonsense"}, "Choose one of the reasons listed."),
        ({"decline": "other", "decline_text": "x" * 401}, "Use at most 400 characters."),
    ],
)
def test_cannot_judge_wants_a_reason(
    client: Client, alice: User, trace: Trace, judge: Judge, fields: dict[str, str], message: str
) -> None:
    client.force_login(alice)
    response = client.post(
        reverse("trace-detail", args=[trace.trace_id]),
        {"judge": judge.pk, "action": "decline", **fields},
    )
    assert response.status_code == 422
    assert message in response.content.decode()


def test_a_second_feedback_is_a_correction_and_the_form_says_so(
    client: Client, alice: User, trace: Trace, judge: Judge
) -> None:
    client.force_login(alice)
    post(client, trace, judge, value="poor", rationale="First reason")
    page = client.get(reverse("trace-detail", args=[trace.trace_id])).content.decode()
    assert "takes the place of “poor”" in page
    assert "checked" not in page.split("data-feedback-form")[1].split("</form>")[0]
    post(client, trace, judge, value="good", rationale="Second reason")
    assert valid_of(alice) == [("good", "Second reason")]
    [card] = client.get(reverse("trace-detail", args=[trace.trace_id])).context["cards"]
    assert [row.value for row in card.history] == ["poor"]
    assert card.label.votes == 1


def test_feedback_is_deleted_and_restored(
    client: Client, alice: User, trace: Trace, judge: Judge
) -> None:
    given = create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    client.force_login(alice)
    response = client.post(reverse("feedback-withdraw", args=[given.assessment_id]), headers=HTMX)
    assert response.status_code == 200
    assert "Feedback deleted." in response.content.decode()
    assert "Restore" in response.content.decode()
    assert valid_of(alice) == []
    response = client.post(reverse("feedback-restore", args=[given.assessment_id]))
    assert response.status_code == 302
    assert valid_of(alice) == [("poor", "")]


def test_deleting_twice_says_what_happened(
    client: Client, alice: User, trace: Trace, judge: Judge
) -> None:
    given = create_feedback(judge=judge, trace=trace, author=alice)
    client.force_login(alice)
    address = reverse("feedback-withdraw", args=[given.assessment_id])
    client.post(address)
    response = client.post(address, headers=HTMX)
    assert response.status_code == 422
    assert "already corrected or deleted" in response.content.decode()
    page = client.post(address, follow=True).content.decode()
    assert "already corrected or deleted" in page


def test_only_the_giver_or_an_admin_deletes(
    client: Client, alice: User, lena: User, adam: User, olga: User, trace: Trace, judge: Judge
) -> None:
    given = create_feedback(judge=judge, trace=trace, author=alice)
    address = reverse("feedback-withdraw", args=[given.assessment_id])
    assert client.post(address).status_code == 302  # to sign in
    client.force_login(olga)
    assert client.post(address).status_code == 404
    client.force_login(lena)
    response = client.post(address, headers=HTMX)
    assert response.status_code == 422
    assert "Only the person who gave it, or an admin" in response.content.decode()
    client.force_login(adam)
    assert client.post(address, headers=HTMX).status_code == 200
    assert valid_of(alice) == []


def test_wrong_addresses_and_methods(
    client: Client, alice: User, olga: User, trace: Trace, judge: Judge
) -> None:
    other = create_judge(name="elsewhere")
    client.force_login(alice)
    for name in ("feedback-withdraw", "feedback-restore"):
        assert client.get(reverse(name, args=["a-1"])).status_code == 405
        assert client.post(reverse(name, args=["a-1"])).status_code == 404
    assert post(client, trace, other, value="poor").status_code == 404
    assert (
        client.post(reverse("trace-detail", args=[trace.trace_id]), {"value": "poor"}).status_code
        == 404
    )
    client.force_login(olga)
    assert post(client, trace, judge, value="poor").status_code == 404


def test_a_form_without_its_token_is_refused(alice: User, trace: Trace, judge: Judge) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    response = post(strict, trace, judge, value="poor")
    assert response.status_code == 403
    assert "The form was too old" in response.content.decode()


def test_a_verdict_s_value_cannot_be_withdrawn(
    client: Client, adam: User, trace: Trace, judge: Judge
) -> None:
    verdict = Assessment.objects.create(
        trace=trace,
        name=judge.name,
        source_type="LLM_JUDGE",
        source_id="m",
        value="good",
        value_key="good",
    )
    client.force_login(adam)
    assert (
        client.post(reverse("feedback-withdraw", args=[verdict.assessment_id])).status_code == 404
    )
