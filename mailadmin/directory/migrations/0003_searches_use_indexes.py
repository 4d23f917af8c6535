"""Pieces of addresses and names are found by their trigrams, and aliases by any of their targets.

array_words() is array_to_string() with a promise: for texts the answer depends on nothing but the array, so an index may
be built on it, which PostgreSQL does not know of its own function for arrays of anything.
"""

import django.contrib.postgres.operations
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models
from django.db.models.functions import Upper

from mailadmin.search import ArrayWords

FUNCTION = """
CREATE FUNCTION array_words(text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN array_to_string($1, ' ')
"""


class Migration(migrations.Migration):
    dependencies = [("directory", "0002_address_sets_domain")]
    operations = [
        django.contrib.postgres.operations.TrigramExtension(),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION array_words(text[])"),
        migrations.AddIndex(
            "account",
            GinIndex(
                OpClass(Upper("address"), name="gin_trgm_ops"),
                OpClass(Upper("display_name"), name="gin_trgm_ops"),
                name="account_search",
            ),
        ),
        migrations.AddIndex(
            "account", models.Index(condition=models.Q(("is_staff", True)), fields=["id"], name="account_staff")
        ),
        migrations.AddIndex(
            "alias",
            GinIndex(
                OpClass(Upper("address"), name="gin_trgm_ops"),
                OpClass(Upper(ArrayWords("targets")), name="gin_trgm_ops"),
                OpClass(Upper("note"), name="gin_trgm_ops"),
                name="alias_search",
            ),
        ),
        migrations.AddIndex("alias", GinIndex(fields=["targets"], name="alias_targets")),
        migrations.AddIndex(
            "alias", models.Index(condition=models.Q(("enabled", False)), fields=["address"], name="alias_disabled")
        ),
        migrations.AddIndex(
            "alias", models.Index(condition=models.Q(("is_system", True)), fields=["address"], name="alias_system")
        ),
    ]
