"""The code of MLflow's page on judge alignment runs against our server as it stands there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from annotator.demo.http_stub import StubServer
from annotator.models import Assessment, Judge, Label, Source, User
from tests.clients.conftest import Door, asked_of
from tests.clients.environments import NEWEST, READS_AT_ONCE, Clients
from tests.clients.pages import page_of

HERE = Path(__file__).parent
REFERENCE = HERE.parents[2] / "shared" / "reference" / "judge-alignment-reference.txt"


def test_the_blocks_are_the_page_s_own_lines() -> None:
    if not REFERENCE.exists():
        pytest.skip("the page's text is not kept with this repository")

    def lines(text: str) -> str:
        return "\n".join(line.strip() for line in text.strip().splitlines())

    page = lines(REFERENCE.read_text())
    blocks = (HERE / "inside" / "reference_blocks.txt").read_text().split("\n### ")[1:]
    changed = [
        block.partition("\n")[0] for block in blocks if lines(block.partition("\n")[2]) not in page
    ]
    assert changed == []
    assert len(blocks) == 9


def test_the_page_runs_from_the_first_trace_to_the_test_of_improvement(
    clients: Clients, door: Door, model: StubServer, adam: User, client: Browser
) -> None:
    page = clients.fresh(NEWEST, **asked_of(model), **READS_AT_ONCE)
    started = door.call(page, "alignment.start")
    # the page's ground truth names traces that nobody has
    assert started["ground_truth_of_unknown_traces"] == "RESOURCE_DOES_NOT_EXIST"
    assert len(started["traces"]) == 15

    simba = page.call("alignment.with_simba")
    # The page gives `align` its arguments in two orders. The client takes (traces, optimizer) alone: with the
    # other one it stops by itself, before it asks any server.
    assert simba["first_order"] == ["AttributeError", "'list' object has no attribute 'align'"]
    assert 0 <= simba["figures"]["aligned_accuracy"] <= 1
    more = page.call("alignment.with_the_default_and_detailed_output")
    # "uses SIMBA by default" was true of older clients
    assert more["default"] == "MemoryAugmentedJudge"
    assert more["first_order_again"] == simba["first_order"]

    gepa, memory = page.call("alignment.with_gepa"), page.call("alignment.with_memory")
    assert gepa["fetched"] == "InstructionsJudge"
    assert memory["fetched"] == "MemoryAugmentedJudge"
    for done in (gepa, memory):
        assert done["same_instructions"]
        assert done["error"] == "None"
        assert done["verdict"] in {"excellent", "good", "fair", "poor"}
        assert set(done["figures"]) == {"original_accuracy", "aligned_accuracy", "improvement"}
    custom = page.call("alignment.with_a_custom_optimizer")
    assert custom["instructions"].endswith("Prefer short descriptions.")

    assert_ours(started, adam, client)


def assert_ours(started: dict[str, Any], adam: User, browser: Browser) -> None:
    """The product has the judge with its versions, what people said, what the judge said, and the labels."""
    experiment = int(started["experiment"])
    judge = Judge.objects.get(experiment=experiment, name="product_quality")
    assessments = Assessment.objects.filter(trace__experiment=experiment, name="product_quality")
    assert assessments.filter(source_type=Source.LLM_JUDGE).count() == 15
    assert assessments.filter(source_type=Source.HUMAN).count() == 15
    labels = Label.objects.filter(judge=judge).order_by("trace__requested_at", "trace__pk")
    assert sorted(label.value for label in labels) == sorted(started["labels"])

    browser.force_login(adam)
    listed = page_of(browser, "/judges/")
    assert "product_quality" in listed
    assert "Rate as: excellent, good, fair, or poor" in page_of(browser, f"/judges/{judge.pk}/")
    assert "15" in page_of(browser, f"/judges/{judge.pk}/readiness/")
    remembering = Judge.objects.get(experiment=experiment, name="with_memory")
    page = page_of(browser, f"/judges/{remembering.pk}/")
    assert "Not runnable here. It is a judge with a memory" in page
    assert "Product query 7" in page_of(browser, "/traces/")
