"""The SQL of mailcore.directory, prepared against the migrated schema by tests/contract/test_sql_statements.py."""

ENTRY = """
SELECT a.id, a.address, a.store, a.quota_bytes, a.quota_messages, a.password, a.display_name, a.enabled,
       a.allow_imap, a.allow_pop3, a.allow_smtp, coalesce(u.bytes, 0) AS used_bytes,
       l.address AS alias_address, l.targets, l.enabled AS alias_enabled
FROM (SELECT %(key)s::text AS key) AS asked
LEFT JOIN account a ON a.address = asked.key
LEFT JOIN account_usage u ON u.account_id = a.id
LEFT JOIN alias l ON l.address = asked.key
"""

# "Contains", which the index on the array answers; "= ANY" would read every alias.
ALIASES_TO = "SELECT address FROM alias WHERE enabled AND targets @> ARRAY[%(target)s::varchar]"
