"""Searches, and traces to search for."""

import time

import mlflow
from common import connect, flush, refused
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource

HOUR_MS = 3_600_000


def prepare(url, token, experiment):
    """Six traces that differ in what a filter can ask for; the experiment and their ids by name."""
    connect(url, token)
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    ids = {}
    for number, name in enumerate(["alpha", "beta", "gamma", "Delta", "ep_silon", "zeta"]):
        time.sleep(0.002)  # each in a millisecond of its own, because that is their order
        try:
            with mlflow.start_span(name, span_type="CHAIN") as span:
                span.set_inputs(
                    {"question": f"Number {number}", "note": "50% off" if number else "none"}
                )
                with mlflow.start_span(
                    "look_up", span_type="TOOL" if number % 2 else "RETRIEVER"
                ) as step:
                    step.set_attributes(
                        {"store": "north" if number < 3 else "south", "hits": number}
                    )
                tags = {"number": str(number)}
                if number < 3:
                    tags |= {"tier": ["gold", "silver", "Gold"][number], "dotted.key": "x"}
                mlflow.update_current_trace(
                    tags=tags,
                    metadata={"mlflow.trace.session": f"chat-{number // 2}"},
                    client_request_id=f"request-{number}" if number % 2 else None,
                )
                if number == 4:
                    raise ValueError("no stock")
                span.set_outputs({"answer": number})
        except ValueError:
            pass
        ids[name] = span.trace_id
    flush()
    human = AssessmentSource(source_type="HUMAN", source_id="ann")
    for name, values in {
        "quality": {"alpha": "good", "beta": "poor", "gamma": "Good enough"},
        "ok": {"alpha": True, "beta": False},
        "stars": {"alpha": 5, "beta": 2.5, "Delta": 4},
        "dotted.name": {"zeta": "yes"},
    }.items():
        for trace, value in values.items():
            mlflow.log_feedback(trace_id=ids[trace], name=name, value=value, source=human)
    mlflow.log_expectation(trace_id=ids["alpha"], name="capital", value="Paris", source=human)
    mlflow.log_expectation(trace_id=ids["beta"], name="facts", value=["one", "two"], source=human)
    wrong = mlflow.log_feedback(trace_id=ids["zeta"], name="quality", value="good", source=human)
    mlflow.override_feedback(
        trace_id=ids["zeta"], assessment_id=wrong.assessment_id, value="fair", source=human
    )
    return {"experiment": experiment_id, "ids": ids}


def found(url, token, experiment, ids, filters, orders):
    """For each filter and each order the names found, or the error's code."""
    connect(url, token)
    names = {trace_id: name for name, trace_id in ids.items()}
    client = MlflowClient()

    def ask(**search):
        infos = []

        def read():
            infos.extend(client.search_traces([experiment], include_spans=False, **search))

        error = refused(read)
        return error["code"] if error else [names[trace.info.trace_id] for trace in infos]

    now = mlflow.get_trace(ids["alpha"]).info.request_time
    bounds = {"{past}": str(now - HOUR_MS), "{future}": str(now + HOUR_MS), "{alpha}": ids["alpha"]}

    def filled(text):
        for mark, value in bounds.items():
            text = text.replace(mark, value)
        return text

    return {
        "filters": {text: ask(filter_string=filled(text)) for text in filters},
        "orders": {", ".join(order): ask(order_by=order) for order in orders},
    }


def pages(url, token, experiment, size):
    """The ids of each page, and what a damaged token and too large a page get."""
    connect(url, token)
    client = MlflowClient()
    pages, page_token = [], None
    while True:
        page = client.search_traces(
            [experiment], max_results=size, page_token=page_token, include_spans=False
        )
        pages.append([trace.info.trace_id for trace in page])
        page_token = page.token
        if not page_token:
            break
    return {
        "pages": pages,
        "damaged": refused(
            client.search_traces, [experiment], page_token="%%%", include_spans=False
        ),
        "too_large": refused(
            client.search_traces, [experiment], max_results=501, include_spans=False
        ),
        "nowhere": len(client.search_traces(["987654"], include_spans=False)),
    }


def experiments(url, token, prefix):
    """Create, rename, tag, delete, restore and find experiments."""
    connect(url, token)
    client = MlflowClient()
    first = mlflow.create_experiment(f"{prefix} one", tags={"owner": "ann"})
    second = mlflow.create_experiment(f"{prefix} two")
    client.set_experiment_tag(second, "owner", "ben")
    client.rename_experiment(second, f"{prefix} zwei")
    client.delete_experiment(first)
    deleted = client.get_experiment(first)
    left = [
        found.name for found in client.search_experiments(filter_string=f"name LIKE '{prefix} %'")
    ]
    taken = refused(mlflow.create_experiment, f"{prefix} one")
    client.restore_experiment(first)
    every = client.search_experiments(
        filter_string=f"name ILIKE '{prefix.upper()} %'", order_by=["name DESC"]
    )
    one_page = client.search_experiments(filter_string=f"name LIKE '{prefix} %'", max_results=1)
    return {
        "deleted": [deleted.name, deleted.lifecycle_stage, deleted.tags],
        "left": left,
        "taken": taken["code"],
        "after_restoring": [[found.name, found.lifecycle_stage, found.tags] for found in every],
        "by_tag": [
            found.name for found in client.search_experiments(filter_string="tags.owner = 'ben'")
        ],
        "one_page": [len(one_page), bool(one_page.token)],
        "by_name": client.get_experiment_by_name(f"{prefix} zwei").experiment_id == second,
        "missing": client.get_experiment_by_name(f"{prefix} three"),
        "unknown": refused(client.get_experiment, "987654")["code"],
        "no_name": refused(mlflow.create_experiment, "")["code"],
        "bad_filter": refused(client.search_experiments, filter_string="colour = 'red'")["code"],
        "default": client.get_experiment("0").name,
    }


def delete(url, token, experiment, ids, before=None):
    """Delete traces; how many, and which are left."""
    connect(url, token)
    client = MlflowClient()
    if before is None:
        count = client.delete_traces(experiment, trace_ids=ids)
    else:
        count = client.delete_traces(experiment, max_timestamp_millis=before, max_traces=1)
    left = client.search_traces([experiment], include_spans=False)
    return {"deleted": count, "left": [trace.info.trace_id for trace in left]}
