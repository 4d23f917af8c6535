"""Where a delivery had made INBOX before the first login, it was never subscribed: clients that ask for what is
subscribed did not show it. Who had taken it off on purpose takes it off once more.
"""

from django.db import migrations

SUBSCRIBE = """
INSERT INTO subscription (account_id, name) SELECT account_id, name FROM mailbox WHERE name = 'INBOX'
ON CONFLICT (account_id, name) DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("mailboxes", "0008_rights_stay_with_the_account")]

    operations = [migrations.RunSQL(SUBSCRIBE, migrations.RunSQL.noop)]
