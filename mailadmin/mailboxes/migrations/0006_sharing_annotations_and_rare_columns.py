"""Rights of others (RFC 4314), annotations (RFC 5464), and what few messages have. No table is rewritten."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


CASCADE = """
ALTER TABLE {table} ADD CONSTRAINT {table}_mailbox FOREIGN KEY (mailbox_id) REFERENCES mailbox (id) ON DELETE CASCADE
"""


def cascade(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(CASCADE.format(table=table), f"ALTER TABLE {table} DROP CONSTRAINT {table}_mailbox")


class Migration(migrations.Migration):
    dependencies = [
        ("mailboxes", "0005_removed_uids_are_forgotten"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="email_id",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="preview",
            field=models.TextField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="saved_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="thread_refs",
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name="searchsegment",
            name="fold_version",
            field=models.PositiveSmallIntegerField(db_default=0),
        ),
        migrations.CreateModel(
            name="MailboxAcl",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("identifier", models.CharField(max_length=320)),
                ("negative", models.BooleanField(default=False)),
                ("rights", models.CharField(max_length=32)),
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
            options={
                "db_table": "mailbox_acl",
                "indexes": [models.Index(fields=["identifier"], name="mailbox_acl_identifier")],
                "constraints": [
                    models.UniqueConstraint(fields=("mailbox", "identifier", "negative"), name="mailbox_acl_unique")
                ],
            },
        ),
        migrations.CreateModel(
            name="MailboxMetadata",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entry", models.CharField(max_length=255)),
                ("value", models.BinaryField()),
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
                (
                    "reader",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "mailbox_metadata",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("mailbox", "reader", "entry"), name="mailbox_metadata_unique", nulls_distinct=False
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ServerMetadata",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("entry", models.CharField(max_length=255)),
                ("value", models.BinaryField()),
                (
                    "reader",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "server_metadata",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("reader", "entry"), name="server_metadata_unique", nulls_distinct=False
                    )
                ],
            },
        ),
        cascade("mailbox_acl"),
        cascade("mailbox_metadata"),
    ]
