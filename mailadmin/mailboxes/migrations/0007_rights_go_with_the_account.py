"""Whoever gets an address later must not have the rights of who had it before (RFC 4314 entries name addresses).

A trigger, not Django code: psql and QuerySet.delete() know no signals.
"""

from django.db import migrations

FORGET = """
CREATE FUNCTION forget_rights_of_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM mailbox_acl WHERE identifier = OLD.address;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_rights AFTER DELETE OR UPDATE OF address ON account
    FOR EACH ROW EXECUTE FUNCTION forget_rights_of_account();
"""
KEEP = """
DROP TRIGGER forget_rights ON account;
DROP FUNCTION forget_rights_of_account();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("mailboxes", "0006_sharing_annotations_and_rare_columns"),
        ("directory", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="mailboxacl", options={"verbose_name": "share"}
        ),
        migrations.RunSQL(FORGET, KEEP),
    ]
