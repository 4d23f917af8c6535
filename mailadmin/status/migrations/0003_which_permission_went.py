"""Who may not use one protocol any more is told that, not that the account is disabled."""

from django.db import migrations

END_SESSIONS_OF_ACCOUNT = """
CREATE OR REPLACE FUNCTION end_sessions_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_session SET end_wanted = CASE WHEN TG_OP = 'DELETE' OR NOT NEW.enabled THEN 'Account disabled'
            ELSE upper(protocol) || ' is no longer allowed for this account' END
        WHERE account_id = OLD.id AND end_wanted = '' AND (TG_OP = 'DELETE' OR NOT NEW.enabled
            OR NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END);
    RETURN NULL;
END $$
"""
BEFORE = """
CREATE OR REPLACE FUNCTION end_sessions_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_session SET end_wanted = 'Account disabled' WHERE account_id = OLD.id AND end_wanted = ''
        AND (TG_OP = 'DELETE' OR NOT NEW.enabled
             OR NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END);
    RETURN NULL;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("status", "0002_who_is_connected")]

    operations = [migrations.RunSQL(END_SESSIONS_OF_ACCOUNT, BEFORE)]
