"""Annotator's judges and optimizers, in a process of their own: reads a job a line from stdin, writes a result a line.

Run by `bench/alignment.py`, with the same protocol as `mlflow_side.py`. Default parameters, LiteLLM over HTTP to the
address in each job.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

sys.path[0] = str(Path(__file__).resolve().parents[2])

from alignment.plugins import build_optimizer
from judges.entities import AssessmentSource, Feedback, SourceType, Trace
from judges.errors import JudgeError
from judges.instructions import Case, InstructionsJudge, make_judge
from judges.llm import Gateway, use_gateway

VARIANTS = {"best_of_sampled": ("best_of", {"steady": False})}


def value_type(kind: dict[str, Any]) -> Any:
    """The Python type that `make_judge` takes for a task's values."""
    if kind["kind"] == "category":
        return Literal[tuple(kind["values"])]
    return {"boolean": bool, "integer": int}[kind["kind"]]


def trace_of(case: dict[str, Any], name: str) -> Trace:
    """A trace from a case, with what people and the judge said of it in their order."""
    return Trace(
        trace_id=case["id"],
        inputs=case["inputs"],
        outputs=case["outputs"],
        assessments=tuple(
            Feedback(
                name=name,
                value=given["value"],
                rationale=given["rationale"],
                valid=given["valid"],
                source=AssessmentSource(
                    source_type=SourceType(given["source_type"]), source_id=given["source_id"]
                ),
            )
            for given in case["assessments"]
        ),
    )


def align(job: dict[str, Any], gateway: Gateway) -> InstructionsJudge:
    """The aligned judge; the given one where no optimizer is named."""
    judge = make_judge(
        name=job["task"],
        instructions=job["instructions"],
        model=job["model"],
        feedback_value_type=value_type(job["value_type"]),
        base_url=job["base_url"],
    )
    if job["optimizer"] == "none":
        return judge
    traces = [trace_of(case, job["task"]) for case in job["train"]]
    name, params = VARIANTS.get(job["optimizer"], (job["optimizer"], {}))
    optimizer = build_optimizer(name, model=job["optimizer_model"], params=params)
    with use_gateway(gateway):
        aligned = judge.align(traces, optimizer)
    assert isinstance(aligned, InstructionsJudge)
    return aligned


def verdict_on(judge: InstructionsJudge, gateway: Gateway, case: dict[str, Any]) -> Any:
    """The judge's value; None where it failed."""
    try:
        asked = Case.from_trace(trace_of(case, judge.name), judge)
        return judge.evaluate(asked, gateway=gateway).value
    except JudgeError:
        return None


def main() -> None:
    """Serve jobs until stdin ends."""
    from concurrent.futures import ThreadPoolExecutor

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries print their progress; stdout carries results alone
    print(json.dumps({"version": "here"}), file=answers, flush=True)
    aligned: InstructionsJudge | None = None
    gateway = Gateway()
    for line in sys.stdin:
        job = json.loads(line)
        begun = time.perf_counter()
        result: dict[str, Any] = {}
        if job["do"] == "align":
            gateway = Gateway(concurrency=job["in_flight"])
            try:
                aligned = align(job, gateway)
            except JudgeError as error:
                aligned, result = None, {"error": str(error)}
            else:
                result = {"instructions": aligned.instructions}
        elif aligned is not None:
            with ThreadPoolExecutor(8) as pool:
                judge = partial(verdict_on, aligned, gateway)
                result = {"verdicts": list(pool.map(judge, job["test"]))}
        result["seconds"] = time.perf_counter() - begun
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
