"""What is known of a trace whose parts come in any order, and what OpenTelemetry says of a span beyond the basics."""

from importlib import import_module

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Exists, OuterRef

import annotator.models.fields

SEARCH = import_module("annotator.migrations.0002_trace_search")


def restore_triggers(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """SQLite has built the table of traces anew, which drops what keeps the full-text search in step with it."""
    if schema_editor.connection.vendor == "sqlite":
        for statement in SEARCH.SQLITE:
            if statement.strip().startswith("CREATE TRIGGER"):
                schema_editor.execute(statement, params=None)


def mark_traces_with_spans(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    spans = apps.get_model("annotator", "Span").objects.filter(trace=OuterRef("pk"))
    apps.get_model("annotator", "Trace").objects.filter(Exists(spans)).update(has_spans=True)


class Migration(migrations.Migration):
    dependencies = [("annotator", "0003_feedback_sessions")]

    operations = [
        migrations.AddField(
            model_name="span", name="kind", field=models.PositiveSmallIntegerField(default=1)
        ),
        migrations.AddField(
            model_name="span",
            name="links",
            field=annotator.models.fields.JSONTextField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="trace",
            name="client_request_id",
            field=models.CharField(blank=True, max_length=250),
        ),
        migrations.AddField(
            model_name="trace",
            name="guessed",
            field=annotator.models.fields.JSONTextField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="trace", name="has_spans", field=models.BooleanField(default=False)
        ),
        migrations.AddField(
            model_name="trace",
            name="sent_request_preview",
            field=models.CharField(blank=True, max_length=1000),
        ),
        migrations.AddField(
            model_name="trace",
            name="sent_response_preview",
            field=models.CharField(blank=True, max_length=1000),
        ),
        migrations.AddField(
            model_name="trace", name="started", field=models.BooleanField(default=False)
        ),
        migrations.AlterField(
            model_name="span",
            name="trace",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="spans",
                to="annotator.trace",
            ),
        ),
        migrations.RunPython(restore_triggers, restore_triggers),
        migrations.RunPython(mark_traces_with_spans, migrations.RunPython.noop),
    ]
