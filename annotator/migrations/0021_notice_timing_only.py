from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('annotator', '0020_notice_timing_fill'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='preferences',
            name='muted',
        ),
        migrations.RemoveField(
            model_name='preferences',
            name='wanted',
        ),
        migrations.RemoveField(
            model_name='preferences',
            name='wants_digest',
        ),
    ]
