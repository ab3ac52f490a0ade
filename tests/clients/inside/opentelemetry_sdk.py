"""The OpenTelemetry SDK with its OTLP/HTTP exporter, as an application would set it up."""

import logging

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, format_trace_id


def send(url, token, experiment, spans, gzip):
    """Send one trace: `spans` is a list of [name, parent's name or None, attributes, error or None]."""
    exporter = OTLPSpanExporter(
        endpoint=f"{url}/v1/traces",
        headers={"Authorization": f"Bearer {token}", "x-mlflow-experiment-id": experiment},
        compression=Compression.Gzip if gzip else Compression.NoCompression,
    )
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("shop")

    def make(parent):
        trace_id = None
        for name, under, attributes, error in spans:
            if under != parent:
                continue
            with tracer.start_as_current_span(name, attributes=attributes) as span:
                if error:
                    span.set_status(Status(StatusCode.ERROR, error))
                make(name)
                trace_id = format_trace_id(span.get_span_context().trace_id)
        return trace_id

    logging.basicConfig()
    trace_id = make(None)
    provider.shutdown()
    return f"tr-{trace_id}"
