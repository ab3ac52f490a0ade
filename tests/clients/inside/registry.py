"""Judges that a client registers, fetches and calls."""

import inspect
from typing import Literal

import mlflow
from common import connect, refused
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import delete_scorer, get_scorer, list_scorers
from mlflow.genai.scorers.registry import list_scorer_versions

INSTRUCTIONS = "Is the answer in {{ outputs }} right for {{ inputs }}? Version %d."
TYPES = {
    "words": Literal["excellent", "good", "fair", "poor"],
    "flag": bool,
    "number": float,
    "whole": int,
    "text": str,
}


KNOWS_TYPES = "feedback_value_type" in inspect.signature(make_judge).parameters  # since 3.7


def judge(name, version, value_type="words"):
    """A judge of the client's."""
    typed = {"feedback_value_type": TYPES[value_type]} if KNOWS_TYPES else {}
    return make_judge(
        name=name, instructions=INSTRUCTIONS % version, model="openai:/gpt-4.1-mini", **typed
    )


def plain(found):
    """A judge's parts."""
    return {"name": found.name, "instructions": found.instructions, "model": found.model,
            "type": str(getattr(found, "feedback_value_type", None))}  # fmt: skip


def life(url, token, experiment):
    """Register, list, fetch and delete judges."""
    connect(url, token)
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    empty = list_scorers(experiment_id=experiment_id)
    for version in (1, 2, 3):
        judge("answer_quality", version).register(experiment_id=experiment_id)
    for value_type in ("flag", "number", "whole", "text"):
        judge(f"a_{value_type}", 1, value_type).register(experiment_id=experiment_id)

    def fetch(name, **which):
        return plain(get_scorer(name=name, experiment_id=experiment_id, **which))

    listed = list_scorers(experiment_id=experiment_id)
    result = {
        "experiment": experiment_id,
        "empty": len(empty),
        "latest": fetch("answer_quality"),
        "first": fetch("answer_quality", version=1),
        "listed": sorted(found.name for found in listed),
        "types": {name: fetch(f"a_{name}")["type"] for name in ("flag", "number", "whole", "text")},
        "versions": [
            version
            for _, version in list_scorer_versions(
                name="answer_quality", experiment_id=experiment_id
            )
        ],
    }
    delete_scorer(name="answer_quality", version=2, experiment_id=experiment_id)
    result["versions_left"] = [
        version
        for _, version in list_scorer_versions(name="answer_quality", experiment_id=experiment_id)
    ]
    delete_scorer(name="a_text", version="all", experiment_id=experiment_id)
    result["unknown"] = refused(get_scorer, name="a_text", experiment_id=experiment_id)["code"]
    judge("a_text", 1, "text").register(experiment_id=experiment_id)
    result["again"] = [
        version for _, version in list_scorer_versions(name="a_text", experiment_id=experiment_id)
    ]
    return result


def register(url, token, experiment, name, version=1):
    """Register one judge; the experiment's id."""
    connect(url, token)
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    judge(name, version).register(experiment_id=experiment_id)
    return experiment_id


def fetch_and_call(url, token, experiment, name, inputs, outputs):
    """A registered judge, and its verdict on a case."""
    connect(url, token)
    fetched = get_scorer(name=name, experiment_id=experiment)
    verdict = fetched(inputs=inputs, outputs=outputs)
    return {"judge": plain(fetched), "value": verdict.value, "rationale": verdict.rationale,
            "error": str(verdict.error)}  # fmt: skip


def judge_what_comes(url, token, experiment):
    """Have a registered judge judge a share of the new traces, another share, and none."""
    from mlflow.genai.scorers import ScorerSamplingConfig

    connect(url, token)
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    judge("tone", 1).register(experiment_id=experiment_id)
    found = get_scorer(name="tone", experiment_id=experiment_id)
    started = found.start(
        sampling_config=ScorerSamplingConfig(sample_rate=0.5, filter_string="status = 'OK'")
    )
    fetched = get_scorer(name="tone", experiment_id=experiment_id)
    stopped = fetched.stop()
    return {
        "experiment": experiment_id,
        "started": [started.sample_rate, started.filter_string],
        "fetched": [fetched.sample_rate, fetched.filter_string],
        "stopped": stopped.sample_rate,
    }
