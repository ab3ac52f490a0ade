"""Every address of the door. None ends with a slash."""

from django.urls import converters, path, register_converter

from annotator.ingest import (
    about,
    artifacts,
    assessments,
    experiment_search,
    experiments,
    export,
    program_runs,
    scorers,
    trace_search,
    traces,
)
from annotator.ingest.door import methods


class WireIdConverter(converters.StringConverter):
    """An id that a client has chosen: anything without a NUL, which PostgreSQL refuses to look for."""

    regex = r"[^\0]+"


register_converter(WireIdConverter, "wire_id")

V2, V3 = "api/2.0/mlflow", "api/3.0/mlflow"

urlpatterns = [
    path("version", methods(GET=about.version)),
    path(f"{V3}/server-info", methods(GET=about.server_info)),
    # experiments
    path(f"{V2}/experiments/create", methods(POST=experiments.create)),
    path(f"{V2}/experiments/get", methods(GET=experiments.get)),
    path(f"{V2}/experiments/search", methods(POST=experiment_search.search)),
    path(f"{V2}/experiments/get-by-name", methods(GET=experiments.get_by_name)),
    path(f"{V2}/experiments/update", methods(POST=experiments.update)),
    path(f"{V2}/experiments/delete", methods(POST=experiments.delete)),
    path(f"{V2}/experiments/restore", methods(POST=experiments.restore)),
    path(f"{V2}/experiments/set-experiment-tag", methods(POST=experiments.set_tag)),
    path(f"{V2}/experiments/delete-experiment-tag", methods(POST=experiments.delete_tag)),
    path(f"{V3}/traces/search", methods(POST=trace_search.search)),
    # runs of programs
    path(f"{V2}/runs/create", methods(POST=program_runs.create)),
    path(f"{V2}/runs/get", methods(GET=program_runs.get)),
    path(f"{V2}/runs/update", methods(POST=program_runs.update)),
    path(f"{V2}/runs/set-tag", methods(POST=program_runs.set_tag)),
    path(f"{V2}/runs/delete-tag", methods(POST=program_runs.delete_tag)),
    path(f"{V2}/runs/log-metric", methods(POST=program_runs.log_metric)),
    path(f"{V2}/runs/log-parameter", methods(POST=program_runs.log_parameter)),
    path(f"{V2}/runs/log-batch", methods(POST=program_runs.log_batch)),
    path(f"{V2}/runs/log-inputs", methods(POST=program_runs.log_inputs)),
    path(f"{V2}/traces/link-to-run", methods(POST=program_runs.link_traces)),
    # judges
    path(f"{V3}/scorers/register", methods(POST=scorers.register)),
    path(f"{V3}/scorers/list", methods(GET=scorers.list_all)),
    path(f"{V3}/scorers/versions", methods(GET=scorers.versions)),
    path(f"{V3}/scorers/get", methods(GET=scorers.get)),
    path(f"{V3}/scorers/online-configs", methods(GET=scorers.online_configs)),
    path(f"{V3}/scorers/online-config", methods(PUT=scorers.set_online_config)),
    path(f"{V3}/scorers/delete", methods(DELETE=scorers.delete)),
    # what was said of traces
    path(
        f"{V3}/traces/<wire_id:trace_id>/assessments",
        methods(POST=assessments.create),
    ),
    path(
        f"{V3}/traces/<wire_id:trace_id>/assessments/<wire_id:assessment_id>",
        methods(GET=assessments.get, PATCH=assessments.update, DELETE=assessments.delete),
    ),
    # traces: the fixed words come before the ids
    path("v1/traces", methods(POST=export.export)),
    path(f"{V3}/traces", methods(POST=traces.start)),
    path(f"{V3}/traces/get", methods(GET=traces.get)),
    path(f"{V3}/traces/batchGet", methods(GET=traces.batch_get)),
    path(f"{V3}/traces/batchGetInfos", methods(POST=traces.batch_get_infos)),
    path(f"{V3}/traces/<wire_id:trace_id>", methods(GET=traces.get_info)),
    path(
        f"{V2}/traces/<wire_id:trace_id>/tags",
        methods(PATCH=traces.set_tag, DELETE=traces.delete_tag),
    ),
    path(f"{V2}/traces/delete-traces", methods(POST=traces.delete)),
    path(
        "api/2.0/mlflow-artifacts/artifacts/<wire_id:path>",
        methods(GET=artifacts.get, PUT=artifacts.put),
    ),
]
