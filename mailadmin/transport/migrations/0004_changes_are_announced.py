"""Triggers, not Django signals: QuerySet.update(), bulk operations, fixtures and psql send no signals."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION config_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    new_generation bigint;
BEGIN
    UPDATE config_generation SET generation = generation + 1 WHERE id = 1 RETURNING generation INTO new_generation;
    PERFORM pg_notify('config', new_generation::text);
    RETURN NULL;
END
$$
"""
TABLES = ["server_settings", "domain", "alias", "my_network", "relay_host", "transport_rule", "sender_rewrite"]

# Logging in writes last_login: that is no change of configuration.
ACCOUNT_COLUMNS = (
    "address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap, allow_pop3, allow_smtp"
)


def trigger(table: str, columns: str = "") -> str:
    update = f"UPDATE OF {columns}" if columns else "UPDATE"
    return (
        f"CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR TRUNCATE OR {update} ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION config_changed()"
    )


class Migration(migrations.Migration):
    dependencies = [("transport", "0003_first_rows"), ("directory", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION config_changed()"),
        *[migrations.RunSQL(trigger(table), f"DROP TRIGGER config_changed ON {table}") for table in TABLES],
        migrations.RunSQL(trigger("account", ACCOUNT_COLUMNS), "DROP TRIGGER config_changed ON account"),
    ]
