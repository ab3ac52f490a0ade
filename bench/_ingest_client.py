"""Run by the official client's interpreter: sends traces of ten spans from eight threads; prints figures as JSON.

python bench/_ingest_client.py URL EXPERIMENT TRACES
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import mlflow
import requests

THREADS = 8
SPANS = 10
seconds = []


def timed(session, *arguments, _send=requests.Session.send, **named):
    """Send a request and note how long it took."""
    started = time.perf_counter()
    response = _send(session, *arguments, **named)
    seconds.append(time.perf_counter() - started)
    return response


def send(number):
    """One trace."""
    with mlflow.start_span("answer", span_type="AGENT") as root:
        root.set_inputs({"question": f"Where is parcel {number}?", "history": ["Hello."] * 3})
        for step in range(SPANS - 1):
            with mlflow.start_span(f"step_{step}", span_type="TOOL") as span:
                span.set_inputs({"article": step, "text": "Parcels take two days. " * 8})
                span.set_outputs({"found": True, "score": 0.5})
        root.set_outputs({"answer": "It arrives on Friday."})


def main():
    url, experiment, traces = sys.argv[1:]
    mlflow.set_tracking_uri(url)
    mlflow.set_experiment(experiment_id=experiment)
    send(0)  # asks for the version, and opens connections
    mlflow.flush_trace_async_logging()
    requests.Session.send = timed
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, range(int(traces))))
    made = time.perf_counter() - started
    mlflow.flush_trace_async_logging()
    print(json.dumps({"made": made, "sent": time.perf_counter() - started, "requests": seconds}))


main()
