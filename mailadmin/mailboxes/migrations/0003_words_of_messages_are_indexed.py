"""The search index. Its octets are read in slices, so they are not compressed; it goes with its mailbox."""

import django.db.models.deletion
from django.db import migrations, models

STORAGE = """
ALTER TABLE search_segment
    ALTER uids SET STORAGE EXTERNAL, ALTER words SET STORAGE EXTERNAL,
    ALTER offsets SET STORAGE EXTERNAL, ALTER postings SET STORAGE EXTERNAL
"""
CASCADE = """
ALTER TABLE search_segment ADD CONSTRAINT search_segment_mailbox
    FOREIGN KEY (mailbox_id) REFERENCES mailbox (id) ON DELETE CASCADE
"""


class Migration(migrations.Migration):
    dependencies = [("mailboxes", "0002_search_uses_an_index")]

    operations = [
        migrations.CreateModel(
            name="SearchSegment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("field", models.PositiveSmallIntegerField()),
                ("first_uid", models.BigIntegerField()),
                ("last_uid", models.BigIntegerField()),
                ("is_full", models.BooleanField()),
                ("uids", models.BinaryField()),
                ("words", models.BinaryField()),
                ("offsets", models.BinaryField()),
                ("postings", models.BinaryField()),
                (
                    "mailbox",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="mailboxes.mailbox",
                    ),
                ),
            ],
            options={"db_table": "search_segment"},
        ),
        migrations.AddConstraint(
            model_name="searchsegment",
            constraint=models.UniqueConstraint(fields=["mailbox", "field", "last_uid"], name="search_segment_block"),
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL(CASCADE, "ALTER TABLE search_segment DROP CONSTRAINT search_segment_mailbox"),
    ]
