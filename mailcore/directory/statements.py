"""The SQL of mailcore.directory, prepared against the migrated schema by tests/contract/test_sql_statements.py."""

ENTRY = """
SELECT a.id, a.address, a.store, a.quota_bytes, a.quota_messages, a.password, a.display_name, a.enabled,
       a.allow_imap, a.allow_pop3, a.allow_smtp, coalesce(u.bytes, 0) AS used_bytes,
       coalesce(u.messages, 0) AS used_messages,
       l.address AS alias_address, l.targets, l.enabled AS alias_enabled
FROM (SELECT %(key)s::text AS key) AS asked
LEFT JOIN account a ON a.address = asked.key
LEFT JOIN account_usage u ON u.account_id = a.id
LEFT JOIN alias l ON l.address = asked.key
"""

# "Contains", which the index on the array answers; "= ANY" would read every alias.
ALIASES_TO = "SELECT address FROM alias WHERE enabled AND targets @> ARRAY[%(target)s::varchar]"

# One row for each app password, and one without any if there are none.
CREDENTIALS = """
SELECT a.login_networks::text[] AS login_networks, a.app_passwords_only,
       a.scram_salt, a.scram_iterations, a.scram_stored_key, a.scram_server_key,
       p.id, p.digest, p.stored_key, p.server_key, p.allow_imap, p.allow_pop3, p.allow_smtp,
       p.networks::text[] AS networks
FROM account a LEFT JOIN app_password p ON p.account_id = a.id
WHERE a.id = %(account_id)s
ORDER BY p.id
"""

# What makes up a salt for names that do not exist, the same in all processes.
LOGIN_SECRET = "SELECT secret FROM login_secret WHERE id = 1"

# Some may have been revoked in the meantime.
NOTE_USES = """
INSERT INTO app_password_use (app_password_id, last_at, last_address)
SELECT p.id, used.at, used.address::inet
FROM unnest(%(ids)s::bigint[], %(ats)s::timestamptz[], %(addresses)s::text[]) AS used (id, at, address)
JOIN app_password p ON p.id = used.id
ORDER BY p.id
ON CONFLICT (app_password_id) DO UPDATE SET last_at = excluded.last_at, last_address = excluded.last_address
WHERE app_password_use.last_at < excluded.last_at
"""

# Accounts may have gone in the meantime, and another process may have noted a login within the minute; one second
# less, for its clock and ours. In one order, so that processes do not wait for each other in a circle.
NOTE_LOGINS = """
INSERT INTO account_login (account_id, protocol, at, client_address)
SELECT a.id, login.protocol, login.at, nullif(login.address, '')::inet
FROM unnest(%(ids)s::bigint[], %(protocols)s::text[], %(ats)s::timestamptz[], %(addresses)s::text[])
    AS login (id, protocol, at, address)
JOIN account a ON a.id = login.id
ORDER BY a.id, login.protocol
ON CONFLICT (account_id, protocol) DO UPDATE SET at = excluded.at, client_address = excluded.client_address
WHERE account_login.at < excluded.at - interval '59 seconds'
"""
