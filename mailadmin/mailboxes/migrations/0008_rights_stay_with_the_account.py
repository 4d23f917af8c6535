"""Django saves every column of an account, so `UPDATE OF address` fired with each change of it, and took all rights that
others had given to it. Only another address does.
"""

from django.db import migrations

ONLY_ANOTHER_ADDRESS = """
DROP TRIGGER forget_rights ON account;
CREATE TRIGGER forget_rights_of_deleted AFTER DELETE ON account
    FOR EACH ROW EXECUTE FUNCTION forget_rights_of_account();
CREATE TRIGGER forget_rights AFTER UPDATE OF address ON account
    FOR EACH ROW WHEN (OLD.address <> NEW.address) EXECUTE FUNCTION forget_rights_of_account();
"""
BEFORE = """
DROP TRIGGER forget_rights_of_deleted ON account;
DROP TRIGGER forget_rights ON account;
CREATE TRIGGER forget_rights AFTER DELETE OR UPDATE OF address ON account
    FOR EACH ROW EXECUTE FUNCTION forget_rights_of_account();
"""


class Migration(migrations.Migration):
    dependencies = [("mailboxes", "0007_rights_go_with_the_account")]

    operations = [migrations.RunSQL(ONLY_ANOTHER_ADDRESS, BEFORE)]
