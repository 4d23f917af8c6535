"""The domain of an account or alias follows from its address, so nobody has to say it twice."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION address_sets_domain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.domain_id := reverse(split_part(reverse(NEW.address), '@', 1));
    RETURN NEW;
END
$$
"""


def trigger(table: str) -> str:
    return (
        f"CREATE TRIGGER address_sets_domain BEFORE INSERT OR UPDATE OF address ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION address_sets_domain()"
    )


class Migration(migrations.Migration):
    dependencies = [("directory", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION address_sets_domain()"),
        migrations.RunSQL(trigger("account"), "DROP TRIGGER address_sets_domain ON account"),
        migrations.RunSQL(trigger("alias"), "DROP TRIGGER address_sets_domain ON alias"),
    ]
