"""The trace list: filters, pages, and what each reader may see of a trace's row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator import keyset
from annotator.models import Experiment, Judge, Membership, Role, Team, Trace, User
from annotator.services import labels
from annotator.services.feedback import withdraw_feedback
from annotator.services.judges import edit_judge
from judges.values import ValueKind, ValueType
from tests.factories import (
    QUALITY,
    create_experiment,
    create_feedback,
    create_judge,
    create_team,
    create_trace,
    create_user,
    create_verdict,
)

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LIST = "/traces/"


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team, name="support")


@pytest.fixture
def judge(experiment: Experiment) -> Judge:
    return create_judge(experiment=experiment, name="quality")


def fill(experiment: Experiment, count: int) -> list[Trace]:
    """Traces a minute apart, the newest last; every second one shares its time with the one before."""
    return [
        create_trace(
            experiment=experiment,
            question=f"Question {number}",
            requested_at=NOON + timedelta(minutes=number // 2),
        )
        for number in range(count)
    ]


def ids(client: Client, query: str = "") -> list[str]:
    """The trace ids on a page, in their order."""
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [row.trace.trace_id for row in response.context["rows"]]


def test_an_anonymous_visitor_is_sent_to_sign_in(client: Client, db: None) -> None:
    response = client.get(LIST)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("login"))


def test_a_post_is_refused(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.post(LIST).status_code == 405


def test_nobody_sees_traces_of_another_team(
    client: Client, alice: User, olga: User, experiment: Experiment
) -> None:
    trace = create_trace(experiment=experiment)
    client.force_login(alice)
    assert ids(client) == [trace.trace_id]
    client.force_login(olga)
    assert ids(client) == []
    response = client.get(f"{LIST}?experiment={experiment.pk}")
    assert "There is no such experiment" in response.content.decode()
    assert ids(client, f"experiment={experiment.pk}") == []


def test_a_row_shows_the_verdict_my_feedback_and_how_many_others_answered(
    client: Client, alice: User, lena: User, adam: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment, question="Where is it?")
    create_verdict(judge=judge, trace=trace, value="poor")
    for author, value in ((alice, "good"), (lena, "poor"), (adam, "poor")):
        create_feedback(judge=judge, trace=trace, author=author, value=value)
    client.force_login(alice)
    [row] = client.get(LIST).context["rows"]
    assert [(verdict.value, verdict.is_old) for verdict in row.verdicts] == [("poor", False)]
    assert [answer.value for answer in row.mine] == ["good"]
    assert row.others == 2
    assert row.disagrees


def test_an_expert_learns_of_a_disagreement_only_after_answering(
    client: Client, alice: User, lena: User, adam: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace, value="poor")
    create_feedback(judge=judge, trace=trace, author=adam, value="good")
    client.force_login(alice)
    assert not client.get(LIST).context["rows"][0].disagrees
    assert ids(client, "feedback=disagreement") == []
    client.force_login(lena)
    assert client.get(LIST).context["rows"][0].disagrees
    assert ids(client, "feedback=disagreement") == [trace.trace_id]
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    client.force_login(alice)
    assert ids(client, "feedback=disagreement") == [trace.trace_id]


def test_the_chip_is_the_current_version_s_verdict_and_an_older_one_says_so(
    client: Client, adam: User, experiment: Experiment, judge: Judge
) -> None:
    old, new = fill(experiment, 2)
    for trace in (old, new):
        create_verdict(judge=judge, trace=trace, value="poor")
    edit_judge(
        actor=adam,
        judge=judge,
        instructions="New: {{ outputs }}",
        value_type=QUALITY,
        model="demo:/x",
    )
    judge.refresh_from_db()
    create_verdict(judge=judge, trace=new, value="good")
    client.force_login(adam)
    rows = {row.trace.pk: row.verdicts[0] for row in client.get(LIST).context["rows"]}
    assert (rows[new.pk].value, rows[new.pk].is_old) == ("good", False)
    assert (rows[old.pk].value, rows[old.pk].is_old, rows[old.pk].version) == ("poor", True, 1)
    assert ids(client, f"verdict={judge.pk}:poor") == [old.trace_id]
    assert ids(client, f"verdict={judge.pk}:good") == [new.trace_id]


def test_filters_find_what_they_say(
    client: Client, alice: User, lena: User, experiment: Experiment, judge: Judge
) -> None:
    mine, others, differing, untouched, unjudged = (trace.trace_id for trace in fill(experiment, 5))
    by_id = {trace.trace_id: trace for trace in Trace.objects.all()}
    for trace_id, value in (
        (mine, "good"),
        (others, "good"),
        (differing, "poor"),
        (untouched, "fair"),
    ):
        create_verdict(judge=judge, trace=by_id[trace_id], value=value)
    create_feedback(judge=judge, trace=by_id[mine], author=lena, value="good")
    create_feedback(judge=judge, trace=by_id[others], author=alice, value="good")
    create_feedback(judge=judge, trace=by_id[differing], author=alice, value="excellent")
    client.force_login(lena)
    expected = {
        f"experiment={experiment.pk}": {mine, others, differing, untouched, unjudged},
        f"verdict={judge.pk}:good": {mine, others},
        f"verdict={judge.pk}:~any": {mine, others, differing, untouched},
        f"verdict={judge.pk}:~none": {unjudged},
        f"label={judge.pk}:excellent": {differing},
        f"verdict={judge.pk}:poor&label={judge.pk}:excellent": {differing},
        f"verdict={judge.pk}:good&label={judge.pk}:excellent": set(),
        "feedback=mine": {mine},
        "feedback=any": {mine, others, differing},
        "feedback=none": {untouched, unjudged},
        "feedback=disagreement": {differing},
        "since=2026-03-11": set(),
        "since=2026-03-10&until=2026-03-10": {mine, others, differing, untouched, unjudged},
        "until=2026-03-09": set(),
        "time=1d": set(),
    }
    for query, found in expected.items():
        assert set(ids(client, query)) == found, query


def test_withdrawn_feedback_is_none(
    client: Client, alice: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    feedback = create_feedback(judge=judge, trace=trace, author=alice)
    withdraw_feedback(author=alice, assessment=feedback)
    client.force_login(alice)
    assert ids(client, "feedback=any") == []
    assert ids(client, "feedback=none") == [trace.trace_id]


def test_an_empty_result_explains_itself_and_offers_to_clear(
    client: Client, alice: User, experiment: Experiment
) -> None:
    create_trace(experiment=experiment)
    client.force_login(alice)
    page = client.get(f"{LIST}?q=xylophone").content.decode()
    assert "No trace fits this filter" in page
    assert "Clear the filter" in page


def test_without_any_trace_the_page_says_how_to_get_some(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert "import_traces" in client.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("experiment=999", "There is no such experiment"),
        ("experiment=x", "There is no such experiment"),
        ("verdict=999:good", "There is no such judge"),
        ("verdict=nonsense", "There is no such judge"),
        ("verdict={judge}:superb", "is no value of quality"),
        ("feedback=lots", "There is no feedback state"),
        ("time=eternity", "There is no period"),
        ("since=yesterday", "Write the date as"),
        ("q=" + "x" * 201, "at most 200 characters"),
    ],
)
def test_a_wrong_filter_says_so_and_the_page_stands(
    client: Client, alice: User, experiment: Experiment, judge: Judge, query: str, message: str
) -> None:
    create_trace(experiment=experiment)
    client.force_login(alice)
    response = client.get(f"{LIST}?{query.format(judge=judge.pk)}")
    assert response.status_code == 200
    assert message in response.content.decode()


@pytest.mark.parametrize("key", ["", "x", "1.2.3", "99999999999999999999.1", "1", "-5.-5"])
def test_a_wrong_key_never_fails(
    client: Client, alice: User, experiment: Experiment, key: str
) -> None:
    create_trace(experiment=experiment)
    client.force_login(alice)
    assert client.get(f"{LIST}?older={key}").status_code == 200
    assert client.get(f"{LIST}?newer={key}").status_code == 200


def test_pages_show_every_trace_once_forth_and_back(
    client: Client, alice: User, experiment: Experiment
) -> None:
    traces = fill(experiment, 2 * keyset.PAGE_SIZE + 5)
    newest_first = [trace.trace_id for trace in reversed(traces)]
    client.force_login(alice)
    seen, query, pages = [], "", []
    while True:
        pages.append(query)
        response = client.get(f"{LIST}?{query}")
        seen += [row.trace.trace_id for row in response.context["rows"]]
        if response.context["page"].older_than is None:
            break
        query = f"older={response.context['page'].older_than}"
    assert seen == newest_first
    assert len(pages) == 3
    back = client.get(f"{LIST}?newer={response.context['page'].newer_than}")
    assert [row.trace.trace_id for row in back.context["rows"]] == newest_first[30:60]
    first = client.get(f"{LIST}?newer={back.context['page'].newer_than}")
    assert [row.trace.trace_id for row in first.context["rows"]] == newest_first[:30]
    assert first.context["page"].newer_than is None


def test_a_trace_that_comes_in_shifts_no_page(
    client: Client, alice: User, experiment: Experiment
) -> None:
    traces = fill(experiment, keyset.PAGE_SIZE + 3)
    client.force_login(alice)
    key = client.get(LIST).context["page"].older_than
    create_trace(experiment=experiment, requested_at=NOON + timedelta(days=1))
    assert ids(client, f"older={key}") == [trace.trace_id for trace in reversed(traces[:3])]


def test_links_of_the_pages_keep_the_filter(
    client: Client, alice: User, experiment: Experiment
) -> None:
    fill(experiment, keyset.PAGE_SIZE + 1)
    client.force_login(alice)
    page = client.get(f"{LIST}?feedback=none").content.decode()
    assert "?feedback=none&amp;older=" in page
    assert "list=feedback%3Dnone" in page


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(
    client: Client, alice: User, lena: User, experiment: Experiment, judge: Judge
) -> None:
    client.force_login(alice)

    def queries(rows: int) -> int:
        for trace in fill(experiment, rows):
            create_verdict(judge=judge, trace=trace)
            create_feedback(judge=judge, trace=trace, author=alice)
            create_feedback(judge=judge, trace=trace, author=lena, value="poor")
        client.get(LIST)  # what is remembered for a moment is remembered now
        with CaptureQueriesContext(connection) as captured:
            response = client.get(LIST)
        assert len(response.context["rows"]) == min(30, Trace.objects.count())
        return len(captured)

    assert queries(3) == queries(27)


def test_the_count_stops_at_its_limit(
    client: Client, alice: User, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(experiment, 5)
    client.force_login(alice)
    assert client.get(reverse("trace-count")).content.decode().strip() == "5 traces"
    monkeypatch.setattr(keyset, "COUNT_LIMIT", 3)
    assert client.get(reverse("trace-count")).content.decode().strip() == "more than 3 traces"
    assert (
        client.get(reverse("trace-count"), {"q": "nothing"}).content.decode().strip() == "0 traces"
    )


def test_many_and_few_matches_give_the_same_list(
    client: Client,
    lena: User,
    experiment: Experiment,
    judge: Judge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, trace in enumerate(fill(experiment, 12)):
        create_verdict(judge=judge, trace=trace, value=QUALITY.categories[number % 4])
    client.force_login(lena)
    few = ids(client, f"verdict={judge.pk}:good")
    monkeypatch.setattr("annotator.models.search._MANY", 1)
    assert ids(client, f"verdict={judge.pk}:good") == few
    assert len(few) == 3


def test_a_judge_without_listed_values_offers_any_and_none(
    client: Client, alice: User, experiment: Experiment
) -> None:
    create_judge(experiment=experiment, name="notes", value_type=ValueType(kind=ValueKind.TEXT))
    client.force_login(alice)
    page = client.get(LIST).content.decode()
    assert ">judged<" in page
    assert ">not judged yet<" in page


def test_a_user_without_a_team_sees_an_empty_list(client: Client, db: None) -> None:
    client.force_login(create_user(username="new"))
    assert ids(client) == []


def test_roles_see_the_same_list(client: Client, team: Team, experiment: Experiment) -> None:
    trace = create_trace(experiment=experiment)
    for role in Role:
        client.force_login(create_user(username=f"a-{role}", team=team, role=role))
        assert ids(client) == [trace.trace_id]


def test_a_label_filter_that_is_no_more_true_finds_nothing(
    client: Client, alice: User, lena: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    client.force_login(lena)
    assert ids(client, f"label={judge.pk}:good") == [trace.trace_id]
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    labels.refresh_labels(judge=judge)
    assert ids(client, f"label={judge.pk}:good") == []


def test_a_lead_runs_a_judge_over_the_filtered_and_over_the_ticked_traces(
    client: Client, lena: User, experiment: Experiment, judge: Judge
) -> None:
    trace = create_trace(experiment=experiment)
    client.force_login(lena)
    page = client.get(f"{LIST}?q=parcel&feedback=none").content.decode()
    run = reverse("judge-run", args=[judge.pk])
    assert f'href="{run}?feedback=none&amp;q=parcel"' in page
    assert "Run on the filtered traces" in page
    assert f'formaction="{run}"' in page
    assert f'value="{trace.trace_id}"' in page
    assert '<input type="hidden" name="scope" value="selected">' in page
    assert "Run on all traces" in client.get(LIST).content.decode()


def test_an_expert_is_offered_no_run(
    client: Client, alice: User, experiment: Experiment, judge: Judge
) -> None:
    create_trace(experiment=experiment)
    client.force_login(alice)
    page = client.get(LIST).content.decode()
    assert "Run a judge" not in page
    assert 'type="checkbox"' not in page.partition("<main")[2].partition("</main>")[0]


def test_a_lead_runs_only_the_judges_of_the_teams_led(
    client: Client, lena: User, experiment: Experiment, judge: Judge
) -> None:
    elsewhere = create_team(name="Sales")
    Membership.objects.create(user=lena, team=elsewhere, role=Role.EXPERT)
    create_judge(experiment=create_experiment(team=elsewhere), name="tone")
    client.force_login(lena)
    assert client.get(LIST).context["runnable"] == [judge]
