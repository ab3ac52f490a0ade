"""What people had switched off and on, and who wanted no mail of the day, as a choice for each kind."""

from typing import Any

from django.db import migrations

KINDS = (
    "SCHEDULED", "CHANGED", "OPENED", "HALF_TIME", "LAST_HOUR", "MOVED", "REMINDER", "SETTLED", "RUN_FINISHED", "DRIFT"
)
AT_ONCE = ("SCHEDULED", "CHANGED", "OPENED", "LAST_HOUR", "REMINDER")


def give_each_kind_its_time(apps: Any, schema_editor: Any) -> None:
    preferences_model = apps.get_model("annotator", "Preferences")
    notification = apps.get_model("annotator", "Notification")
    notification.objects.filter(status="WAITING").exclude(kind__in=AT_ONCE).update(at_once=False)
    for each in preferences_model.objects.all():
        timing = {} if each.wants_digest else {kind: "AT_ONCE" for kind in KINDS if kind != "SETTLED"}
        if "SETTLED" in each.wanted:
            timing["SETTLED"] = "DIGEST" if each.wants_digest else "AT_ONCE"
        timing |= dict.fromkeys(each.muted, "NEVER")
        each.timing = timing
        each.save(update_fields=["timing"])
        if not each.wants_digest:
            notification.objects.filter(status="WAITING", user=each.user_id).update(at_once=True)


class Migration(migrations.Migration):

    dependencies = [
        ('annotator', '0019_notice_timing'),
    ]

    operations = [
        migrations.RunPython(give_each_kind_its_time, migrations.RunPython.noop),
    ]
