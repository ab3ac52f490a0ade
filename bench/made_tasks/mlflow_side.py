"""MLflow's judges and optimizers, in a process of their own: reads a job a line from stdin, writes a result a line.

Run by `bench/alignment.py` with an interpreter that has mlflow, dspy and litellm. Imports nothing of this project, and
uses MLflow as shipped: default parameters, the judge's and the optimizer's model at the address in OPENAI_API_BASE.
"""

import contextlib
import json
import os
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
warnings.simplefilter("ignore")

import mlflow
from mlflow.entities import Trace
from mlflow.genai.judges import make_judge
from mlflow.genai.judges.optimizers import (
    GEPAAlignmentOptimizer,
    MemAlignOptimizer,
    SIMBAAlignmentOptimizer,
)

OPTIMIZERS = {
    "SIMBA": lambda model: SIMBAAlignmentOptimizer(model=model),
    "GEPA": lambda model: GEPAAlignmentOptimizer(model=model),
    "MemAlign": lambda model: MemAlignOptimizer(
        reflection_lm=model,
        **(
            {"embedding_model": os.environ["BENCH_EMBEDDING"]}
            if os.environ.get("BENCH_EMBEDDING")
            else {}
        ),
    ),
}
AT_ZERO = (
    " at 0"  # after an optimizer's name: with a judge that is made with a temperature of 0, by hand
)


def value_type(kind):
    """The Python type that `make_judge` takes for a task's values."""
    if kind["kind"] == "category":
        return Literal[tuple(kind["values"])]
    return {"boolean": bool, "integer": int}[kind["kind"]]


def trace_of(case, name):
    """One of MLflow's traces from a case, the assessments as people and the judge left them, in their order."""
    attributes = {"mlflow.traceRequestId": json.dumps(case["id"]), "mlflow.spanType": '"CHAIN"'}
    attributes["mlflow.spanInputs"] = json.dumps(case["inputs"])
    attributes["mlflow.spanOutputs"] = json.dumps(case["outputs"])
    number = int(case["id"].split("-")[-1])
    span = {
        "trace_id": f"{number:032x}", "span_id": f"{number + 1:016x}", "parent_span_id": None, "name": "answer",
        "start_time_unix_nano": 1, "end_time_unix_nano": 2, "events": [], "attributes": attributes,
        "status": {"code": "STATUS_CODE_OK", "message": ""},
    }  # fmt: skip
    assessments = [
        {
            "assessment_id": f"a-{case['id']}-{place}", "assessment_name": name, "trace_id": case["id"],
            "source": {"source_type": given["source_type"], "source_id": given["source_id"]},
            "create_time": f"2026-01-01T00:00:{place:02d}Z", "last_update_time": f"2026-01-01T00:00:{place:02d}Z",
            "feedback": {"value": given["value"]}, "rationale": given["rationale"] or None, "valid": given["valid"],
        }
        for place, given in enumerate(case["assessments"])
    ]  # fmt: skip
    info = {
        "trace_id": case["id"], "request_time": "2026-01-01T00:00:00Z", "execution_duration": "0.001s", "state": "OK",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "trace_metadata": {"mlflow.trace_schema.version": "3"}, "tags": {}, "assessments": assessments,
    }  # fmt: skip
    return Trace.from_dict({"info": info, "data": {"spans": [span]}})


def align(job):
    """The aligned judge; the given one where no optimizer is named."""
    optimizer, at_zero, _ = job["optimizer"].partition(AT_ZERO)
    judge = make_judge(
        name=job["task"], instructions=job["instructions"], model=job["model"],
        feedback_value_type=value_type(job["value_type"]),
        inference_params={"temperature": 0} if at_zero else None,
    )  # fmt: skip
    if optimizer == "none":
        return judge
    traces = [trace_of(case, job["task"]) for case in job["train"]]
    return judge.align(traces, OPTIMIZERS[optimizer](job["optimizer_model"]))


def verdict_on(judge, case):
    """The judge's value; None where it failed."""
    feedback = judge(inputs=case["inputs"], outputs=case["outputs"])
    return None if feedback.error else feedback.value


def main():
    """Serve jobs until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries print their progress; stdout carries results alone
    print(json.dumps({"version": mlflow.__version__}), file=answers, flush=True)
    aligned = None
    for line in sys.stdin:
        job = json.loads(line)
        begun = time.perf_counter()
        result = {}
        if job["do"] == "align":
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    aligned = align(job)
            except mlflow.exceptions.MlflowException as error:
                aligned, result = None, {"error": str(error)}
            else:
                result = {"instructions": aligned.instructions}
        elif aligned is not None:
            judge = partial(verdict_on, aligned)
            with ThreadPoolExecutor(8) as pool:
                result = {"verdicts": list(pool.map(judge, job["test"]))}
        result["seconds"] = time.perf_counter() - begun
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
