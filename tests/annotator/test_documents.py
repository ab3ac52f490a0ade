"""Documents that were looked up: made out in what libraries give back, and shown beside each other."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Span, Team, User
from annotator.presenters.documents import LONG, MOST_SHOWN, documents_of, retrieval_of
from annotator.presenters.reading import fields_of, reading_of
from tests.annotator.batch_world import batch, create_batch, item_address, page_text
from tests.factories import create_experiment, create_judge, create_trace


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            [{"page_content": "Six weeks.", "metadata": {"doc_uri": "help/7", "title": "Returns"}}],
            ("Returns", "help/7", "", "Six weeks."),
        ),
        (
            [{"text": "Six weeks.", "score": 0.87654, "url": "https://example.org/7"}],
            ("", "https://example.org/7", "0.877", "Six weeks."),
        ),
        (
            [{"node": {"text": "Six weeks.", "metadata": {"file_name": "a.md"}}, "score": 1}],
            ("a.md", "", "1", "Six weeks."),
        ),
        (
            [{"document": {"content": "Six weeks.", "id": "d7"}, "relevance_score": 0.5}],
            ("", "d7", "0.5", "Six weeks."),
        ),
        (
            [{"page_content": "Six weeks.", "metadata": '{"title": "Returns"}'}],
            ("Returns", "", "", "Six weeks."),
        ),
    ],
)
def test_documents_are_made_out_as_libraries_write_them(
    data: Any, expected: tuple[str, ...]
) -> None:
    (found,) = documents_of(data)
    assert (found.title, found.source, found.score, found.text) == expected


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        [],
        ["one", "two"],
        [{"role": "user", "content": "Hi", "name": "Ada"}],
        [{"type": "text", "text": "Hi"}],
        [{"content": "Hi"}, 7],
        [{"title": "Only a title"}],
        [{"content": {"deep": 1}, "score": 1}],
        {"page_content": "alone"},
    ],
)
def test_what_may_be_something_else_is_no_document(data: Any) -> None:
    assert documents_of(data) == ()


@pytest.mark.parametrize(
    "outputs",
    [
        ["Six weeks.", "  ", "A year."],
        {"documents": ["Six weeks.", "A year."]},
        {"results": [{"content": "Six weeks."}, {"content": "A year."}], "took": 3},
    ],
)
def test_of_a_retriever_plain_texts_and_wrapped_lists_will_do(outputs: Any) -> None:
    found = retrieval_of(name="search", span_id="s", inputs={"query": "returns"}, outputs=outputs)
    assert found is not None
    assert (found.query, [document.text for document in found.documents]) == (
        "returns",
        ["Six weeks.", "A year."],
    )


@pytest.mark.parametrize("outputs", [None, 7, [], {}, {"matches": 3}, [[["x"]]], [{"a": 1}]])
def test_a_retriever_that_found_nothing_to_read_is_left_out(outputs: Any) -> None:
    assert retrieval_of(name="search", span_id="s", inputs=None, outputs=outputs) is None


def test_a_long_document_is_folded_at_a_paragraph_and_nothing_is_lost() -> None:
    text = f"{'word ' * 60}\n\n{'more ' * 200}".strip()
    (found,) = documents_of([{"page_content": text}])
    assert found.text == ("word " * 60).rstrip(" ") + " "
    assert found.text + "\n\n" + found.rest == text
    (solid,) = documents_of([{"page_content": "x" * (LONG + 1)}])
    assert solid.text + solid.rest == "x" * (LONG + 1)


def test_of_very_many_documents_the_first_are_shown_and_the_rest_counted() -> None:
    found = retrieval_of(
        name="search", span_id="s", inputs=None, outputs=["text"] * (MOST_SHOWN + 3)
    )
    assert found is not None
    assert (len(found.documents), found.more) == (MOST_SHOWN, 3)


def test_a_retriever_around_another_shows_the_same_documents_once() -> None:
    steps = [
        retrieval_of(name=name, span_id=name, inputs=None, outputs=["Six weeks."])
        for name in ("outer", "inner")
    ]
    assert [each.name for each in reading_of({"q": 1}, "a", retrievals=steps).retrievals] == [
        "outer"
    ]


def test_documents_among_the_inputs_and_in_results_of_tools_are_documents_too() -> None:
    found = [{"page_content": "Six weeks."}]
    (field,) = fields_of({"context": found})
    assert [document.text for document in field.documents] == ["Six weeks."]
    call = {"name": "search", "args": {}, "result": found}
    reading = reading_of({"messages": [{"role": "assistant", "tool_calls": [call]}]}, None)
    assert reading.turns[0].tool_calls[0].result_summary == "1 document"


def test_an_expert_reads_them_beside_the_answer(client: Client, alice: User, team: Team) -> None:
    judge = create_judge(experiment=create_experiment(team=team))
    trace = create_trace(experiment=judge.experiment, question="May I return it?")
    Span.objects.create(
        trace=trace,
        span_id="a1",
        name="search_help",
        span_type="RETRIEVER",
        start_ns=1,
        end_ns=2,
        inputs={"query": "returns"},
        outputs=[
            {"page_content": "You have **six weeks**.", "metadata": {"title": "Returns"}},
            {"page_content": "<script>alert(1)</script>", "score": 0.4},
        ],
    )
    session = create_batch(judges=[judge], reviewers=[alice], traces=[trace])
    client.force_login(alice)
    text = page_text(client, item_address(batch(session, alice)[0]))
    assert "Looked up by search_help" in text
    assert "<strong>six weeks</strong>" in text
    assert "score 0.4" in text
    assert "<script>alert" not in text
    assert "about=a1" in text
    assert "Looked up by search_help" in page_text(
        client, reverse("trace-detail", args=[trace.trace_id])
    )
