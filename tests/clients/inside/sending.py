"""Traces that a client makes."""

import mlflow
from common import connect, flush, plain_trace, refused

QUESTION = "Wo bleibt mein Päckchen? ✓"


def answer(question):
    """A traced application of three steps: an agent that retrieves and asks a model."""
    with mlflow.start_span("support_agent", span_type="AGENT") as agent:
        agent.set_inputs({"question": question, "history": [], "filters": {}})
        with mlflow.start_span("find_articles", span_type="RETRIEVER") as retriever:
            retriever.set_inputs(question)
            retriever.set_outputs([{"page_content": "Parcels take two days.", "score": 0.5}])
        with mlflow.start_span("ask_model", span_type="CHAT_MODEL") as model:
            model.set_inputs({"messages": [{"role": "user", "content": question}], "n": 3})
            model.set_attributes(
                {
                    "whole": 5,
                    "float": 5.0,
                    "large": 2**53 + 1,
                    "flag": True,
                    "nothing": None,
                    "not_a_number": float("nan"),
                    "list": [1, "two", None, {"three": 3}],
                    "empty": {},
                    "text_of_json": "17",
                    "lines": "one\ntwo\t\u2028end",
                }
            )
            model.add_event(mlflow.entities.SpanEvent("first_token", attributes={"after_ms": 12}))
            model.set_outputs({"content": "It arrives on Friday."})
        agent.set_outputs({"answer": "It arrives on Friday.", "sure": True, "cost": None})
    return agent.trace_id


def failing_answer():
    """A traced call that raises."""
    try:
        with mlflow.start_span("failing", span_type="TOOL") as span:
            span.set_inputs({"question": "?"})
            raise ValueError("no answer")
    except ValueError:
        return span.trace_id


@mlflow.trace(name="with_tags", span_type="CHAIN")
def tagged(question, tags, metadata):
    """A traced function that describes its trace."""
    mlflow.update_current_trace(tags=tags, metadata=metadata)
    return f"About {question}"


def one_of_each(url, token, experiment):
    """Send the traces above; the client's own view of each after it has been read back."""
    connect(url, token)
    found = mlflow.set_experiment(experiment)
    ids = [answer(QUESTION), failing_answer()]
    tagged("tags", {"tier": "gold"}, {"mlflow.trace.session": "chat-7", "mlflow.trace.user": "ann"})
    ids.append(mlflow.get_last_active_trace_id())
    flush()
    return {
        "experiment": found.experiment_id,
        "traces": [plain_trace(mlflow.get_trace(trace_id)) for trace_id in ids],
    }


def many(url, token, experiment, count, threads=1):
    """Send `count` small traces from several threads; their ids."""
    from concurrent.futures import ThreadPoolExecutor

    connect(url, token)
    experiment_id = mlflow.set_experiment(experiment).experiment_id

    def send(number):
        with mlflow.start_span(f"step_{number}") as span:
            span.set_inputs({"question": f"Question {number}"})
            span.set_outputs({"answer": f"Answer {number}"})
        return span.trace_id

    with ThreadPoolExecutor(threads) as pool:
        ids = list(pool.map(send, range(count)))
    flush()
    return {"experiment": experiment_id, "ids": ids}


def read(url, token, ids):
    """What `get_trace` returns of each."""
    connect(url, token)
    traces = [mlflow.get_trace(trace_id) for trace_id in ids]
    return [trace and plain_trace(trace) for trace in traces]


def listed(url, token, experiment, **search):
    """What `search_traces` returns, with spans."""
    connect(url, token)
    traces = mlflow.search_traces(experiment_ids=[experiment], return_type="list", **search)
    return [plain_trace(trace) for trace in traces]


def tags(url, token, trace_id):
    """Set, change and delete tags; those left, and what a tag of the server's gets."""
    connect(url, token)
    mlflow.set_trace_tag(trace_id, "reviewed", "no")
    mlflow.set_trace_tag(trace_id, "reviewed", "yes, by ann")
    mlflow.set_trace_tag(trace_id, "passing", "1")
    mlflow.delete_trace_tag(trace_id, "passing")
    return {
        "tags": mlflow.get_trace(trace_id).info.tags,
        "unknown_tag": refused(mlflow.delete_trace_tag, trace_id, "passing"),
        "unknown_trace": refused(mlflow.set_trace_tag, "tr-" + "0" * 32, "a", "b"),
    }


def without_experiment(url, token):
    """Send a trace without naming an experiment."""
    connect(url, token)
    with mlflow.start_span("homeless") as span:
        span.set_outputs("!")
    flush()
    found = mlflow.search_traces(experiment_ids=["0"], return_type="list")
    trace = mlflow.get_trace(span.trace_id)
    return {"id": span.trace_id, "experiment": trace.info.experiment_id,
            "found": [plain_trace(trace) for trace in found]}  # fmt: skip


def read_at_once(url, token, experiment):
    """Make traces and read each without waiting for the client to have sent it; how many could be read."""
    connect(url, token)
    mlflow.set_experiment(experiment)
    ids = [answer(QUESTION) for _ in range(7)]
    traces = [mlflow.get_trace(trace_id) for trace_id in ids]
    return [trace and len(trace.data.spans) for trace in traces]
