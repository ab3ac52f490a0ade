"""`mlflow.genai.evaluate` over traces that are stored already."""

import mlflow
from common import connect
from registry import judge


def evaluate(url, token, experiment):
    """Judge all traces of an experiment in one run; the run, the traces found by it, and their assessments."""
    connect(url, token)
    mlflow.set_experiment(experiment_id=experiment)
    traces = mlflow.search_traces(locations=[experiment], return_type="list")
    result = mlflow.genai.evaluate(data=traces, scorers=[judge("answer_quality", 1)])
    linked = mlflow.search_traces(locations=[experiment], run_id=result.run_id, return_type="list")
    run = mlflow.get_run(result.run_id)
    return {
        "status": run.info.status,
        "run": result.run_id,
        "metrics": run.data.metrics,
        "traces": [trace.info.trace_id for trace in linked],
        "assessments": [
            [a.name, a.value, a.source.source_type, a.metadata["mlflow.assessment.sourceRunId"]]
            for trace in linked
            for a in trace.info.assessments
        ],
    }


def run(url, token, experiment):
    """A run with a parameter, metrics and a tag, and a trace made in it."""
    connect(url, token)
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name="nightly") as run:
        mlflow.log_param("temperature", 0.5)
        mlflow.log_metric("agreement", 0.7, step=1)
        mlflow.log_metric("agreement", 0.8, step=2)
        mlflow.set_tag("stage", "test")
        with mlflow.start_span("inside_the_run") as span:
            span.set_outputs("!")
    mlflow.flush_trace_async_logging()
    found = mlflow.get_run(run.info.run_id)
    traces = mlflow.search_traces(run_id=run.info.run_id, return_type="list")
    return {
        "status": found.info.status,
        "name": found.info.run_name,
        "params": found.data.params,
        "metrics": found.data.metrics,
        "stage": found.data.tags["stage"],
        "trace": span.trace_id,
        "traces": [trace.info.trace_id for trace in traces],
    }
