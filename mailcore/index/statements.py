"""The SQL on mailbox tables, one named constant per statement."""

ACCOUNT_USAGE = "SELECT bytes, messages FROM account_usage WHERE account_id = %s"
