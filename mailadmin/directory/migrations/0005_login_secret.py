"""A secret of this installation, from which salts for accounts that do not exist are made: the same in all processes."""

import secrets
from typing import Any

from django.db import migrations, models


def draw(apps: Any, schema_editor: Any) -> None:
    apps.get_model("directory", "LoginSecret").objects.create(id=1, secret=secrets.token_bytes(32))


class Migration(migrations.Migration):
    dependencies = [("directory", "0004_credentials_networks_and_issuers")]
    operations = [
        migrations.CreateModel(
            name="LoginSecret",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("secret", models.BinaryField()),
            ],
            options={"db_table": "login_secret"},
        ),
        migrations.RunPython(draw, migrations.RunPython.noop),
    ]
