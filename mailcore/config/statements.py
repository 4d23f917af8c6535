"""The SQL of mailcore.config, prepared against the migrated schema by tests/contract/test_sql_statements.py."""

GENERATION = "SELECT generation FROM config_generation WHERE id = 1"

SETTINGS = """
SELECT myhostname, mydomain, myorigin, inet_interfaces, message_size_limit, recipient_delimiter, plaintext_auth,
       smtpd_recipient_limit, hopcount_limit, client_connection_limit, client_message_rate_limit,
       minimal_backoff_time, maximal_backoff_time, maximal_queue_lifetime, delay_warning_time,
       account_connection_limit, address_connection_limit, login_delay, auth_failure_limit, literal_minus,
       smtp_tls_security_level, destination_concurrency_limit, relayhost_id,
       haproxy_trusted_networks::text[] AS haproxy_trusted_networks
FROM server_settings WHERE id = 1
"""

DOMAINS = "SELECT name, kind, coalesce(alias_of_id, '') AS alias_of, enabled FROM domain"

NETWORKS = "SELECT cidr::text AS cidr FROM my_network WHERE enabled"

RELAY_HOSTS = "SELECT id, host, port, lookup_mx, tls, username, sealed_password FROM relay_host"

TRANSPORT_RULES = "SELECT match, direction, relayhost_id FROM transport_rule WHERE enabled"

REWRITES = "SELECT pattern, replacement, applies_to FROM sender_rewrite WHERE enabled"

OAUTH_ISSUERS = "SELECT issuer, audience, jwks_url, jwks, address_claim FROM oauth_issuer WHERE enabled ORDER BY issuer"
