"""Programs that do the same at the same moment: each gets an answer, and nothing is made twice or lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from annotator.models import Assessment, Experiment, Judge, Label, User
from annotator.services.experiments import default_experiment
from tests.annotator.programs import V2, V3, Program, feedback
from tests.factories import create_experiment, create_judge, create_trace

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 4


def together(ask: Callable[[Program], Any], user: User) -> list[Any]:
    """What several threads get that ask at the same moment, each with a program of its own."""
    programs = [Program(user) for _ in range(AT_ONCE)]
    start = Barrier(AT_ONCE)

    def run(program: Program) -> Any:
        start.wait()
        try:
            return ask(program)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, programs))


def test_one_of_those_that_make_an_experiment_makes_it_and_the_others_are_told(adam: User):
    def make(program: Program) -> tuple[int, str]:
        answer = program.send("POST", f"{V2}/experiments/create", {"name": "shop"})
        return answer.status_code, json.loads(answer.content).get("error_code", "")

    answers = sorted(together(make, adam))
    assert answers == [(200, ""), *[(400, "RESOURCE_ALREADY_EXISTS")] * (AT_ONCE - 1)]


def test_the_default_experiment_is_made_once(adam: User):
    def get(program: Program) -> str:
        found = program.ok("GET", f"{V2}/experiments/get", experiment_id="0")
        name: str = found["experiment"]["name"]
        return name

    assert together(get, adam) == ["Default"] * AT_ONCE
    assert Experiment.objects.count() == 1


def test_everybody_who_registers_a_judge_gets_a_version(adam: User, team):
    experiment = default_experiment(team=team)
    judge = {"instructions": "{{ outputs }}", "model": "openai:/x"}
    text = json.dumps({"name": "quality", "instructions_judge_pydantic_data": judge})
    body = {"experiment_id": experiment.wire_id, "name": "quality", "serialized_scorer": text}

    def register(program: Program) -> int:
        version: int = program.ok("POST", f"{V3}/scorers/register", body)["version"]
        return version

    assert sorted(together(register, adam)) == [1, 2, 3, 4]
    assert Judge.objects.get().versions.count() == AT_ONCE


def test_of_one_persons_answers_one_is_in_force_and_makes_the_label(adam: User, team):
    judge = create_judge(experiment=create_experiment(team=team), alignment_policy="MANUAL")
    trace = create_trace(experiment=judge.experiment)
    address = f"{V3}/traces/{trace.trace_id}/assessments"
    values = iter(["good", "fair", "poor", "excellent"])

    def answer(program: Program) -> int:
        return program.send(
            "POST", address, {"assessment": feedback(value=next(values))}
        ).status_code

    assert together(answer, adam) == [200] * AT_ONCE
    assert Assessment.objects.count() == AT_ONCE
    in_force = Assessment.objects.human().get()
    assert Label.objects.get(judge=judge).value == in_force.value
