"""Settings of IMAP, POP3 and of guessing passwords."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("transport", "0005_balancers_are_named"),
    ]

    operations = [
        migrations.AddField(
            model_name="serversettings",
            name="account_connection_limit",
            field=models.PositiveIntegerField(
                default=50,
                help_text="Simultaneous IMAP and POP3 connections of one account, 0 = no limit (Dovecot: <code>mail_max_userip_connections</code>, there for one account and address).",
            ),
        ),
        migrations.AddField(
            model_name="serversettings",
            name="address_connection_limit",
            field=models.PositiveIntegerField(
                default=200,
                help_text="Simultaneous IMAP and POP3 connections of one client address, 0 = no limit. A whole office may share one.",
            ),
        ),
        migrations.AddField(
            model_name="serversettings",
            name="auth_failure_limit",
            field=models.PositiveIntegerField(
                default=20,
                help_text="Wrong passwords a minute from one network (IPv4 /24, IPv6 /56), over SMTP, IMAP, POP3 and web together, before it has to wait; names guessed at count too.",
                validators=[django.core.validators.MinValueValidator(3)],
            ),
        ),
        migrations.AddField(
            model_name="serversettings",
            name="literal_minus",
            field=models.BooleanField(
                default=False,
                help_text="IMAP clients may send up to 4096 bytes without asking (LITERAL-) instead of any number (LITERAL+), RFC 7888.",
            ),
        ),
        migrations.AddField(
            model_name="serversettings",
            name="login_delay",
            field=models.PositiveIntegerField(
                default=0, help_text="Seconds between two POP3 logins of an account, 0 = none (RFC 2449: LOGIN-DELAY)."
            ),
        ),
    ]
