"""Every twenty seconds the worker looks for blocks of the search index that an older rule has made: it read them all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailboxes", "0009_inbox_is_subscribed")]

    operations = [
        migrations.AddIndex(
            model_name="searchsegment",
            index=models.Index(
                fields=["fold_version", "mailbox"], condition=models.Q(field=0), name="search_segment_stale"
            ),
        ),
    ]
