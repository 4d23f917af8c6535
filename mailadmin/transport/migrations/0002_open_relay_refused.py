from django.db import migrations

ADD = """
ALTER TABLE my_network ADD CONSTRAINT my_network_no_open_relay CHECK (
    NOT enabled
    OR cidr <<= '10.0.0.0/8'::inet OR cidr <<= '172.16.0.0/12'::inet OR cidr <<= '192.168.0.0/16'::inet
    OR cidr <<= '127.0.0.0/8'::inet OR cidr <<= '169.254.0.0/16'::inet OR cidr <<= '100.64.0.0/10'::inet
    OR cidr <<= 'fc00::/7'::inet OR cidr <<= 'fe80::/10'::inet OR cidr <<= '::1/128'::inet
    OR masklen(cidr) >= CASE family(cidr) WHEN 4 THEN 16 ELSE 32 END
    OR open_relay_confirmation = cidr::text
)
"""


class Migration(migrations.Migration):
    dependencies = [("transport", "0001_initial")]
    operations = [
        migrations.RunSQL(ADD, "ALTER TABLE my_network DROP CONSTRAINT my_network_no_open_relay"),
    ]
