"""Sessions that began with the account's own password end when that is changed, or opens mail programs no more."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION end_sessions_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_session SET end_wanted = CASE WHEN TG_OP = 'DELETE' THEN 'Account deleted'
            WHEN NOT NEW.enabled THEN 'Account disabled'
            WHEN NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END
                THEN upper(protocol) || ' is no longer allowed for this account'
            WHEN NEW.login_networks <> '{}' AND NOT client_address <<= ANY (NEW.login_networks)
                THEN 'Your network is no longer allowed for this account'
            WHEN NEW.password <> OLD.password THEN 'Password changed'
            ELSE 'Your own password is no longer allowed for this account' END
        WHERE account_id = OLD.id AND end_wanted = '' AND (TG_OP = 'DELETE' OR NOT NEW.enabled
            OR NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END
            OR (NEW.login_networks <> '{}' AND NOT client_address <<= ANY (NEW.login_networks))
            OR (app_password_id IS NULL AND (NEW.password <> OLD.password OR NEW.app_passwords_only)));
    RETURN NULL;
END $$
"""
FUNCTION_BEFORE = """
CREATE OR REPLACE FUNCTION end_sessions_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE client_session SET end_wanted = CASE WHEN TG_OP = 'DELETE' THEN 'Account deleted'
            WHEN NOT NEW.enabled THEN 'Account disabled'
            WHEN NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END
                THEN upper(protocol) || ' is no longer allowed for this account'
            ELSE 'Your network is no longer allowed for this account' END
        WHERE account_id = OLD.id AND end_wanted = '' AND (TG_OP = 'DELETE' OR NOT NEW.enabled
            OR NOT CASE protocol WHEN 'imap' THEN NEW.allow_imap ELSE NEW.allow_pop3 END
            OR (NEW.login_networks <> '{}' AND NOT client_address <<= ANY (NEW.login_networks)));
    RETURN NULL;
END $$
"""
BEFORE = "enabled, allow_imap, allow_pop3, login_networks"


def trigger(columns: str) -> str:
    return (
        f"DROP TRIGGER end_sessions ON account; CREATE TRIGGER end_sessions AFTER DELETE OR UPDATE OF {columns} "
        "ON account FOR EACH ROW EXECUTE FUNCTION end_sessions_of_account()"
    )


class Migration(migrations.Migration):
    dependencies = [("status", "0005_deleted_is_not_disabled")]

    operations = [
        migrations.RunSQL(FUNCTION, FUNCTION_BEFORE),
        migrations.RunSQL(trigger(f"{BEFORE}, password, app_passwords_only"), trigger(BEFORE)),
    ]
