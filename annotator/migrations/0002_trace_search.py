"""Full-text search over traces: FTS5 on SQLite, a generated tsvector with a GIN index on PostgreSQL.

SQLite drops a table's triggers when a later migration rebuilds the table: one that alters `Trace` has to run
`add_search` again. A test looks for the triggers.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SQLITE = (
    """
    CREATE VIRTUAL TABLE annotator_trace_search USING fts5(
        trace_id, search_text, content='annotator_trace', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER annotator_trace_search_insert AFTER INSERT ON annotator_trace BEGIN
        INSERT INTO annotator_trace_search(rowid, trace_id, search_text) VALUES (new.id, new.trace_id, new.search_text);
    END
    """,
    """
    CREATE TRIGGER annotator_trace_search_delete AFTER DELETE ON annotator_trace BEGIN
        INSERT INTO annotator_trace_search(annotator_trace_search, rowid, trace_id, search_text)
        VALUES ('delete', old.id, old.trace_id, old.search_text);
    END
    """,
    """
    CREATE TRIGGER annotator_trace_search_update AFTER UPDATE OF trace_id, search_text ON annotator_trace BEGIN
        INSERT INTO annotator_trace_search(annotator_trace_search, rowid, trace_id, search_text)
        VALUES ('delete', old.id, old.trace_id, old.search_text);
        INSERT INTO annotator_trace_search(rowid, trace_id, search_text) VALUES (new.id, new.trace_id, new.search_text);
    END
    """,
    "INSERT INTO annotator_trace_search(annotator_trace_search) VALUES ('rebuild')",
)
SQLITE_REVERSE = (
    "DROP TRIGGER IF EXISTS annotator_trace_search_update",
    "DROP TRIGGER IF EXISTS annotator_trace_search_delete",
    "DROP TRIGGER IF EXISTS annotator_trace_search_insert",
    "DROP TABLE IF EXISTS annotator_trace_search",
)
POSTGRESQL = (
    """
    ALTER TABLE annotator_trace ADD COLUMN search_vector tsvector
        GENERATED ALWAYS AS (to_tsvector('simple', trace_id || ' ' || search_text)) STORED
    """,
    "CREATE INDEX trace_search ON annotator_trace USING gin (search_vector)",
)
POSTGRESQL_REVERSE = (
    "DROP INDEX IF EXISTS trace_search",
    "ALTER TABLE annotator_trace DROP COLUMN IF EXISTS search_vector",
)


def add_search(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements = {"sqlite": SQLITE, "postgresql": POSTGRESQL}
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def remove_search(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    statements = {"sqlite": SQLITE_REVERSE, "postgresql": POSTGRESQL_REVERSE}
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("annotator", "0001_initial")]

    operations = [migrations.RunPython(add_search, remove_search)]
