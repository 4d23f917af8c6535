"""Sessions of an account that was deleted say so: they said that it was disabled, and somebody might look for why."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION end_sessions_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_session SET end_wanted = CASE WHEN TG_OP = 'DELETE' THEN '{deleted}'
            WHEN NOT NEW.enabled THEN 'Account disabled'
            WHEN NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END
                THEN upper(protocol) || ' is no longer allowed for this account'
            ELSE 'Your network is no longer allowed for this account' END
        WHERE account_id = OLD.id AND end_wanted = '' AND (TG_OP = 'DELETE' OR NOT NEW.enabled
            OR NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END
            OR (NEW.login_networks <> '{{}}' AND NOT client_address <<= ANY (NEW.login_networks)));
    RETURN NULL;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("status", "0004_sessions_outside_the_networks_end")]

    operations = [
        migrations.RunSQL(FUNCTION.format(deleted="Account deleted"), FUNCTION.format(deleted="Account disabled"))
    ]
