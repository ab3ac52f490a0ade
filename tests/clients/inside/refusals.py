"""What a client is told when something is not allowed or not there."""

import os

import mlflow
from common import connect, flush, refused
from mlflow.entities import AssessmentSource


def everything(url, token, experiment, trace_id):
    """The error of each kind of call on an experiment and a trace, and what a traced program notices."""
    connect(url, token)
    human = AssessmentSource(source_type="HUMAN", source_id="ann")
    errors = {
        "read": refused(mlflow.get_experiment, experiment),
        "search": refused(mlflow.search_traces, experiment_ids=[experiment], return_type="list"),
        "create": refused(mlflow.create_experiment, "Refused"),
        "tag": refused(mlflow.set_trace_tag, trace_id, "a", "b"),
        "feedback": refused(
            mlflow.log_feedback, trace_id=trace_id, name="quality", value="good", source=human
        ),
    }
    return {"errors": errors, "trace": mlflow.get_trace(trace_id) is not None}


def traced_program(url, token):
    """A traced program whose traces are refused goes on. It names no experiment, so that sending is all it asks for."""
    connect(url, token)
    with mlflow.start_span("refused") as span:
        span.set_outputs("!")
    flush()
    return "went on"


def with_password(url, user, password, experiment):
    """The name of an experiment, asked for with a name and a password."""
    connect(url)
    os.environ |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}
    name = mlflow.get_experiment(experiment).name
    del os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]
    return name
