"""The list of judges."""

from __future__ import annotations

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.models import AlignmentRun, Judge, JudgeVersion, Team, User, WorkStatus
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_verdict,
)

URL = reverse("judge-list")


def _judge_with_labels(team: Team, author: User, *, name: str, labels: int) -> None:
    experiment = create_experiment(team=team)
    judge = create_judge(experiment=experiment, name=name)
    for position in range(labels):
        trace = create_trace(experiment=experiment)
        value = "good" if position % 2 else "poor"
        create_verdict(judge=judge, trace=trace, value=value)
        create_feedback(judge=judge, trace=trace, author=author, value=value)


def test_it_shows_state_readiness_agreement_and_version(
    client: Client, team: Team, alice: User
) -> None:
    _judge_with_labels(team, alice, name="quality", labels=12)
    client.force_login(alice)
    page = client.get(URL).content.decode()
    assert "quality" in page
    assert "almost perfect" in page
    assert "12 labels · ready" in page
    assert "good" in page


def test_a_judge_nobody_checked_says_so(client: Client, team: Team, alice: User) -> None:
    _judge_with_labels(team, alice, name="quality", labels=0)
    client.force_login(alice)
    page = client.get(URL).content.decode()
    assert "not checked" in page
    assert "This version has given no verdict on a trace with a label yet." in page


def test_without_judges_it_says_what_to_do(client: Client, adam: User, alice: User) -> None:
    client.force_login(adam)
    assert "First bring in traces" in client.get(URL).content.decode()
    client.force_login(alice)
    assert "An admin of your team makes judges." in client.get(URL).content.decode()


def test_only_admins_are_offered_a_new_judge(
    client: Client, team: Team, adam: User, lena: User
) -> None:
    create_judge(experiment=create_experiment(team=team))
    for user, offered in ((adam, True), (lena, False)):
        client.force_login(user)
        assert (reverse("judge-create") in client.get(URL).content.decode()) is offered


def test_another_teams_judges_are_not_there(
    client: Client, team: Team, olga: User, alice: User
) -> None:
    _judge_with_labels(team, alice, name="secret_judge", labels=1)
    client.force_login(olga)
    assert "secret_judge" not in client.get(URL).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_judges(
    client: Client, team: Team, alice: User
) -> None:
    client.force_login(alice)
    client.get(URL)  # what is asked once in a while is asked here
    counts = []
    for number in range(3):
        _judge_with_labels(team, alice, name=f"judge{number}", labels=2)
        with CaptureQueriesContext(connection) as queries:
            client.get(URL)
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_anonymous_visitors_are_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(URL).status_code == 302


def test_it_is_read_only(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.post(URL).status_code == 405


def test_traces_that_a_version_learnt_from_do_not_count_here_nor_on_its_page(
    client: Client, team: Team, alice: User
) -> None:
    judge = create_judge(experiment=create_experiment(team=team))
    first = judge.current_version
    assert first is not None
    traces = [create_trace(experiment=judge.experiment) for _ in range(15)]
    for position, trace in enumerate(traces):
        value = "good" if position % 2 else "poor"
        create_feedback(judge=judge, trace=trace, author=alice, value=value)
    second = JudgeVersion.objects.create(
        judge=judge,
        number=2,
        parent=first,
        origin=JudgeVersion.Origin.RUN,
        instructions="Aligned: {{ outputs }}",
        value_type_data=first.value_type_data,
        model=first.model,
    )
    AlignmentRun.objects.create(
        judge=judge,
        trigger=AlignmentRun.Trigger.MANUAL,
        version_in=first,
        candidate=second,
        optimizer="simba",
        labels_fingerprint="x",
        status=WorkStatus.SUCCEEDED,
        split={"train": [trace.trace_id for trace in traces[:4]]},
    )
    Judge.objects.filter(pk=judge.pk).update(current_version=second)
    judge.refresh_from_db()
    for position, trace in enumerate(traces):
        create_verdict(judge=judge, trace=trace, value="good" if position % 2 else "poor")
    client.force_login(alice)
    for url in (URL, reverse("judge-detail", args=[judge.pk])):
        assert "1.00, n = 11" in client.get(url).content.decode()
