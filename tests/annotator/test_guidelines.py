"""The guideline: written in versions, compared, announced to reviewers; and what a change of it touches."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.models import Judge, Role, Team, Trace, User
from annotator.services.guidelines import news_for, save_guideline, touched_traces
from annotator.services.judges import JudgeServiceError, update_settings
from annotator.services.settling import settle_label
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
)

pytestmark = pytest.mark.django_db

FIRST = {"good": "It answers.", "poor": "It does not help."}
SECOND = {"good": "It answers, with a date.", "poor": "It does not help."}


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


@pytest.fixture
def answered(judge: Judge, alice: User, lena: User) -> dict[str, Trace]:
    """Two traces that alice answered by the first guideline; the second one words "good" differently."""
    save_guideline(actor=lena, judge=judge, text="Be fair.", choose_when=FIRST)
    traces = {}
    for value in ("good", "poor"):
        traces[value] = create_trace(experiment=judge.experiment, question=f"A {value} one")
        create_feedback(judge=judge, trace=traces[value], author=alice, value=value)
    save_guideline(
        actor=lena,
        judge=judge,
        text="Be fair.",
        choose_when=SECOND,
        change_note="A good answer names a date.",
    )
    return traces


def _guideline(judge: Judge) -> str:
    return reverse("judge-guideline", args=[judge.pk])


def show(client: Client, judge: Judge, query: str = "") -> str:
    response = client.get(_guideline(judge) + query)
    assert response.status_code == 200
    return response.content.decode()


def rereview(client: Client, judge: Judge, query: str = "") -> str:
    response = client.get(reverse("judge-rereview", args=[judge.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_a_lead_writes_the_guideline_and_every_save_is_a_version(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    client.force_login(lena)
    assert "Write the guideline" in client.get(_guideline(judge)).content.decode()
    first = {"text": "Read it **twice**.", "when_0": "All is there.", "when_3": "  "}
    assert client.post(_guideline(judge), first).status_code == 302
    client.post(_guideline(judge), {"text": "Read it once.", "when_0": "All is there."})
    judge.refresh_from_db()
    assert judge.guideline is not None
    assert (judge.guideline.number, judge.guideline.created_by) == (2, lena)
    assert judge.guideline.choose_when == {"excellent": "All is there."}
    client.force_login(alice)
    page = client.get(_guideline(judge)).content.decode()
    assert "Read it once." in page
    assert "<textarea" not in page
    assert "<strong>twice</strong>" in client.get(_guideline(judge), {"number": 1}).content.decode()


def test_a_guideline_cannot_carry_scripts(client: Client, judge: Judge, lena: User) -> None:
    client.force_login(lena)
    client.post(_guideline(judge), {"text": "<script>x()</script>", "when_0": "<img src=x>"})
    page = client.get(_guideline(judge)).content.decode()
    assert "<script>x()" not in page
    assert "<img" not in page


def test_saving_an_unchanged_guideline_says_so(client: Client, judge: Judge, lena: User) -> None:
    client.force_login(lena)
    client.post(_guideline(judge), {"text": "Same."})
    response = client.post(_guideline(judge), {"text": "Same."})
    assert response.status_code == 422
    assert "Nothing was changed" in response.content.decode()


def test_experts_cannot_write_the_guideline_and_strangers_cannot_read_it(
    client: Client, judge: Judge, alice: User, olga: User
) -> None:
    client.force_login(alice)
    assert client.post(_guideline(judge), {"text": "Mine."}).status_code == 403
    assert client.get(_guideline(judge), {"number": "9" * 30}).status_code == 404
    client.force_login(olga)
    assert client.get(_guideline(judge)).status_code == 404


def test_a_lead_elsewhere_cannot_write_it(client: Client, judge: Judge) -> None:
    outsider = create_user(team=create_team(), role=Role.LEAD)
    client.force_login(outsider)
    assert client.post(_guideline(judge), {"text": "Mine."}).status_code == 404


def test_a_version_says_of_each_value_when_when_not_and_an_example(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    client.force_login(lena)
    form = {
        "text": "",
        "when_1": "It answers.",
        "not_1": "The date is missing.",
        "example_1": "It comes on Friday.",
    }
    assert client.post(_guideline(judge), form).status_code == 302
    client.force_login(alice)
    page = show(client, judge)
    for text in ("It answers.", "The date is missing.", "It comes on Friday."):
        assert text in page
    assert page.count("nothing written yet") == 3


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        ({"do_not_choose": {"superb": "Never."}}, "do_not_choose"),
        ({"example": {"good": "x" * 2_001}}, "example"),
        ({"change_note": "x" * 501}, "note"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_field(
    judge: Judge, lena: User, texts: dict[str, object], field: str
) -> None:
    with pytest.raises(JudgeServiceError) as refused:
        save_guideline(actor=lena, judge=judge, text="Be fair.", choose_when={}, **texts)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert not judge.guidelines.exists()


def test_two_versions_are_compared_word_by_word(
    client: Client, judge: Judge, answered: dict[str, Trace], alice: User
) -> None:
    client.force_login(alice)
    page = show(client, judge, "?number=2&against=1")
    assert "<ins>answers, with a date.</ins>" in page.replace("\n", "")
    assert "A good answer names a date." in page
    for query in ("?number=9", "?number=2&against=9"):
        assert client.get(_guideline(judge) + query).status_code == 404


def test_only_answers_whose_value_is_worded_differently_are_looked_at_again(
    client: Client, judge: Judge, answered: dict[str, Trace], alice: User, lena: User
) -> None:
    alice.first_name, alice.last_name = "Alice", "Ames"
    alice.save(update_fields=["first_name", "last_name"])
    client.force_login(lena)
    page = rereview(client, judge)
    assert answered["good"].trace_id in page
    assert answered["poor"].trace_id not in page
    assert "by guideline 1" in page
    assert "Alice Ames:" in page
    assert f"goal=SETTLE&amp;traces={answered['good'].trace_id}" in page
    assert "1 trace was answered by a wording" in show(client, judge)
    client.force_login(alice)
    assert "1 trace you answered by a wording" in show(client, judge)
    create_feedback(judge=judge, trace=answered["good"], author=alice, value="good")
    assert "Nothing to look at again" in rereview(client, judge)


def test_an_expert_sees_own_answers_only_in_the_work_list(
    client: Client, judge: Judge, answered: dict[str, Trace], team: Team
) -> None:
    client.force_login(create_user(team=team))
    page = rereview(client, judge)
    assert "Nothing to look at again" in page
    assert "alice" not in page


def test_what_was_settled_by_the_new_wording_is_done(
    judge: Judge, answered: dict[str, Trace], lena: User
) -> None:
    settle_label(actor=lena, judge=judge, trace=answered["good"], value="good")
    assert touched_traces(judge) == []


def test_a_change_that_touches_everything_puts_all_answers_on_the_list(
    client: Client, judge: Judge, answered: dict[str, Trace], lena: User
) -> None:
    client.force_login(lena)
    client.post(_guideline(judge), {"text": "Be strict.", "touches_all": "on", "when_1": "Dates."})
    assert len(touched_traces(judge)) == 2
    assert "touches every earlier answer" in show(client, judge)


def test_the_work_list_goes_on_page_by_page_in_as_many_queries(
    client: Client, judge: Judge, alice: User, lena: User
) -> None:
    made = []
    counts = []
    client.force_login(lena)
    for number in range(2):
        for _ in range(20):
            trace = create_trace(experiment=judge.experiment)
            create_feedback(judge=judge, trace=trace, author=alice, value="good")
            made.append(trace.trace_id)
        save_guideline(actor=lena, judge=judge, text="", choose_when={"good": f"Wording {number}."})
        rereview(client, judge)
        with CaptureQueriesContext(connection) as queries:
            page = rereview(client, judge)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    following = re.search(r'href="(\?after=\d+)"', page)
    assert following
    both = page + rereview(client, judge, following[1])
    assert all(trace_id in both for trace_id in made)


def test_a_reviewer_is_told_what_changed_until_the_next_answer(
    judge: Judge, answered: dict[str, Trace], alice: User, team: Team
) -> None:
    news = news_for(judge, alice)
    assert news is not None
    assert (news.since, news.current.number, news.keys) == (1, 2, ("good",))
    assert (news.is_text_changed, news.everything, news.to_redo) == (False, False, 1)
    assert news_for(judge, create_user(team=team)) is None, "who never answered reads it anyway"
    create_feedback(judge=judge, trace=create_trace(experiment=judge.experiment), author=alice)
    assert news_for(judge, alice) is None


def test_who_answered_before_there_was_a_guideline_is_told_of_the_first(
    judge: Judge, alice: User, lena: User
) -> None:
    trace = create_trace(experiment=judge.experiment)
    create_feedback(judge=judge, trace=trace, author=alice, value="good")
    assert news_for(judge, alice) is None
    save_guideline(actor=lena, judge=judge, text="Be fair.", choose_when=FIRST)
    news = news_for(judge, alice)
    assert news is not None
    assert (news.since, news.earlier, news.keys) == (0, None, ("good", "poor"))


def test_what_a_session_still_hides_is_not_on_the_own_list(
    judge: Judge, answered: dict[str, Trace], alice: User, lena: User
) -> None:
    assert len(touched_traces(judge, user=alice)) == 1
    create_session(judge=judge, traces=[answered["good"]], reviewers=[alice], actor=lena)
    assert touched_traces(judge, user=alice) == []


def test_with_the_switch_on_a_new_wording_takes_labels_away_at_once(
    judge: Judge, answered: dict[str, Trace], adam: User, lena: User
) -> None:
    assert judge.labels.count() == 2
    update_settings(actor=adam, judge=judge, only_current_guideline=True)
    assert [label.value for label in judge.labels.all()] == ["poor"]
    save_guideline(actor=lena, judge=judge, text="Be fair.", choose_when={"poor": "Never."})
    assert not judge.labels.exists()
    save_guideline(actor=lena, judge=judge, text="Be fair.", choose_when=FIRST)
    assert judge.labels.count() == 2, "put back as it was"
