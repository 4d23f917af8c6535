from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    # The extension pg_trgm comes with the directory's migration.
    dependencies = [("mailboxes", "0001_initial"), ("directory", "0003_searches_use_indexes")]
    operations = [
        migrations.AddIndex(
            "mailbox", GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="mailbox_search")
        ),
    ]
