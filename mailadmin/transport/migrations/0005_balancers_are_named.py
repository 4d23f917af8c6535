import django.contrib.postgres.fields
from django.db import migrations

import mailadmin.transport.fields
import mailadmin.transport.validators

# The same as my_network_no_open_relay, for each of them: who lives in such a network can pretend to be anybody.
# Names of pg_catalog only, so that a dump is restored whatever the search path.
FUNCTION = """
CREATE FUNCTION without_strangers(networks cidr[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM unnest(networks) AS network WHERE NOT (
            network <<= '10.0.0.0/8'::inet OR network <<= '172.16.0.0/12'::inet OR network <<= '192.168.0.0/16'::inet
            OR network <<= '127.0.0.0/8'::inet OR network <<= '169.254.0.0/16'::inet OR network <<= '100.64.0.0/10'::inet
            OR network <<= 'fc00::/7'::inet OR network <<= 'fe80::/10'::inet OR network <<= '::1/128'::inet
            OR masklen(network) >= CASE family(network) WHEN 4 THEN 16 ELSE 32 END
        )
    )
$$
"""
ADD = """
ALTER TABLE server_settings ADD CONSTRAINT server_settings_balancers_no_strangers
CHECK (without_strangers(haproxy_trusted_networks))
"""


class Migration(migrations.Migration):
    dependencies = [("transport", "0004_changes_are_announced")]
    operations = [
        migrations.AddField(
            model_name="serversettings",
            name="haproxy_trusted_networks",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=mailadmin.transport.fields.CidrField(
                    validators=[mailadmin.transport.validators.validate_balancer]
                ),
                blank=True,
                default=list,
                size=None,
                help_text=(
                    "Load balancers, one address or network per line, that may connect to the PROXY ports and are believed "
                    "when they say who the client is (Dovecot: <code>haproxy_trusted_networks</code>, Postfix: "
                    "<code>smtpd_upstream_proxy_protocol</code>). Which ports these are is SMTP_PROXY_PORT and so on of the "
                    "service."
                ),
            ),
        ),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION without_strangers(cidr[])"),
        migrations.RunSQL(ADD, "ALTER TABLE server_settings DROP CONSTRAINT server_settings_balancers_no_strangers"),
    ]
