from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models
from django.db.models import F, Func
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    # The extension pg_trgm comes with the directory's migration.
    dependencies = [("audit", "0001_initial"), ("directory", "0003_searches_use_indexes")]
    operations = [
        migrations.AddIndex(
            "auditentry",
            GinIndex(
                OpClass(Upper("actor"), name="gin_trgm_ops"),
                OpClass(Upper("object_key"), name="gin_trgm_ops"),
                OpClass(
                    Upper(Func(F("client_address"), function="HOST", output_field=models.TextField())),
                    name="gin_trgm_ops",
                ),
                name="audit_entry_search",
            ),
        ),
    ]
