"""Rows of `expunged` know their age, and a mailbox up to which modseq it has forgotten them (mailcore.index.forgetting).

Those that are there count as removed now. Both columns have constants as defaults, so that no table is rewritten.
"""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("mailboxes", "0004_keywords_are_found_quickly")]

    operations = [
        migrations.AddField("mailbox", "expunged_horizon", models.BigIntegerField(db_default=0, editable=False)),
        migrations.AddField("expunged", "at", models.DateTimeField(db_default=Now())),
    ]
