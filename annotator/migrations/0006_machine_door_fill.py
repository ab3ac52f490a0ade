"""Tokens get a team, and the tags and metadata of the traces that are here get their rows."""

from typing import Any

from django.db import migrations

CHUNK = 500
UNINDEXED = {
    "mlflow.traceInputs",
    "mlflow.traceOutputs",
    "mlflow.trace.sizeBytes",
    "mlflow.trace.sizeStats",
    "mlflow.trace_schema.version",
}


def give_tokens_a_team(apps: Any, schema_editor: Any) -> None:
    token_model = apps.get_model("annotator", "ApiToken")
    membership = apps.get_model("annotator", "Membership")
    for token in token_model.objects.filter(team=None):
        first = membership.objects.filter(user=token.user_id).order_by("pk").first()
        if first is None:
            token.delete()  # it could open nothing
            continue
        token.team_id = first.team_id
        token.scopes = ["READ"]
        token.save(update_fields=["team", "scopes"])


def give_traces_their_facts(apps: Any, schema_editor: Any) -> None:
    trace_model = apps.get_model("annotator", "Trace")
    fact_model = apps.get_model("annotator", "TraceFact")
    rows = []
    traces = trace_model.objects.order_by("pk").values_list("pk", "tags", "metadata")
    for pk, tags, metadata in traces.iterator(chunk_size=CHUNK):
        for kind, facts in (("TAG", tags), ("METADATA", metadata)):
            for key, value in facts.items():
                if not isinstance(value, str) or key in UNINDEXED or not 0 < len(key) <= 250:
                    continue
                key, value = (_clean(text) for text in (key, value))
                rows.append(
                    fact_model(
                        trace_id=pk, kind=kind, key=key, value=value, value_start=value[:100]
                    )
                )
        if len(rows) >= CHUNK:
            fact_model.objects.bulk_create(rows, ignore_conflicts=True)
            rows = []
    fact_model.objects.bulk_create(rows, ignore_conflicts=True)


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


class Migration(migrations.Migration):
    dependencies = [("annotator", "0005_machine_door")]

    operations = [
        migrations.RunPython(give_tokens_a_team, migrations.RunPython.noop),
        migrations.RunPython(give_traces_their_facts, migrations.RunPython.noop),
    ]
