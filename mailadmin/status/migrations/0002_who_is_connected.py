"""The sessions of IMAP and POP3 (mailcore.db.sessions).

UNLOGGED, as what is true now only: not a byte of it goes to the write-ahead log. Triggers, not Django signals, end the
sessions of who may no longer be here: psql and QuerySet.update() send no signals.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

WITH_THEIR_PROCESS = """
ALTER TABLE client_session ADD CONSTRAINT client_session_process
    FOREIGN KEY (host, pid) REFERENCES process_status (host, pid) ON DELETE CASCADE
"""
END_SESSIONS = """
CREATE FUNCTION end_sessions_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_session SET end_wanted = 'Account disabled' WHERE account_id = OLD.id AND end_wanted = ''
        AND (TG_OP = 'DELETE' OR NOT NEW.enabled
             OR NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END);
    RETURN NULL;
END $$;
CREATE TRIGGER end_sessions AFTER DELETE OR UPDATE OF enabled, allow_imap, allow_pop3 ON account
    FOR EACH ROW EXECUTE FUNCTION end_sessions_of_account();
CREATE FUNCTION end_sessions_of_app_password() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_session SET end_wanted = 'App password revoked'
        WHERE account_id = OLD.account_id AND app_password_id = OLD.id AND end_wanted = '';
    RETURN NULL;
END $$;
CREATE TRIGGER end_sessions AFTER DELETE ON app_password
    FOR EACH ROW EXECUTE FUNCTION end_sessions_of_app_password();
"""
NO_END = """
DROP TRIGGER end_sessions ON account;
DROP TRIGGER end_sessions ON app_password;
DROP FUNCTION end_sessions_of_account();
DROP FUNCTION end_sessions_of_app_password();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("status", "0001_initial"),
        ("directory", "0004_credentials_networks_and_issuers"),
    ]

    operations = [
        migrations.CreateModel(
            name="ClientSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("host", models.CharField(max_length=253)),
                ("pid", models.PositiveIntegerField()),
                ("number", models.BigIntegerField()),
                ("protocol", models.CharField(max_length=8)),
                ("client_address", models.GenericIPAddressField(verbose_name="address")),
                ("client_id", models.CharField(blank=True, max_length=200, verbose_name="client")),
                ("tls", models.BooleanField(verbose_name="TLS")),
                ("since", models.DateTimeField()),
                ("mailbox", models.TextField(blank=True)),
                ("idle_since", models.DateTimeField(null=True)),
                ("app_password_id", models.BigIntegerField(null=True)),
                ("end_wanted", models.CharField(blank=True, max_length=100)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="sessions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"db_table": "client_session", "verbose_name": "connected client"},
        ),
        migrations.AddConstraint(
            model_name="clientsession",
            constraint=models.UniqueConstraint(fields=["host", "pid", "number"], name="client_session_unique"),
        ),
        migrations.AddIndex(
            model_name="clientsession",
            index=models.Index(
                fields=["host", "pid"], condition=~models.Q(end_wanted=""), name="client_session_ending"
            ),
        ),
        migrations.RunSQL("ALTER TABLE client_session SET UNLOGGED", "ALTER TABLE client_session SET LOGGED"),
        migrations.RunSQL(WITH_THEIR_PROCESS, "ALTER TABLE client_session DROP CONSTRAINT client_session_process"),
        migrations.RunSQL(END_SESSIONS, NO_END),
    ]
