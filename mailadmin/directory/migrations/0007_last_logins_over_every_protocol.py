"""The last login of an account over each protocol, instead of Django's column, which knew the web pages only.

Not configuration, so the table has no trigger; its rows go with the account by the database itself. Nothing that changes
is in its index, so a row that is written anew stays on its page, which has room for it.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

CASCADE = """
ALTER TABLE account_login ADD CONSTRAINT account_login_account
FOREIGN KEY (account_id) REFERENCES account (id) ON DELETE CASCADE
"""
TO_THE_WEB = """
INSERT INTO account_login (account_id, protocol, at) SELECT id, 'web', last_login FROM account
WHERE last_login IS NOT NULL
"""
BACK = """
UPDATE account SET last_login = l.at FROM account_login l WHERE l.account_id = account.id AND l.protocol = 'web'
"""


class Migration(migrations.Migration):
    dependencies = [("directory", "0006_issuers_have_keys_from_one_place")]

    operations = [
        migrations.CreateModel(
            name="AccountLogin",
            fields=[
                ("pk", models.CompositePrimaryKey("account_id", "protocol", blank=True, editable=False, primary_key=True, serialize=False)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="logins",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("protocol", models.CharField(max_length=8)),
                ("at", models.DateTimeField()),
                ("client_address", models.GenericIPAddressField(null=True)),
            ],
            options={"db_table": "account_login"},
        ),
        migrations.RunSQL(CASCADE, "ALTER TABLE account_login DROP CONSTRAINT account_login_account"),
        migrations.RunSQL("ALTER TABLE account_login SET (fillfactor = 70)", migrations.RunSQL.noop),
        migrations.RunSQL(TO_THE_WEB, BACK),
        migrations.RemoveField(model_name="account", name="last_login"),
    ]
