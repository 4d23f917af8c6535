"""App passwords, what SCRAM needs, networks of an account, a quota of messages, OAuth issuers.

The account's trigger names columns, so it is made anew with the ones that are configuration now. The use of an app
password is none: it has a table without a trigger, and its rows go with the app password by the database itself.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import mailadmin.transport.fields

BEFORE = "address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap, allow_pop3, allow_smtp"
NOW = (
    f"{BEFORE}, quota_messages, login_networks, app_passwords_only, scram_salt, scram_iterations, scram_stored_key, "
    "scram_server_key"
)
CASCADE = """
ALTER TABLE app_password_use ADD CONSTRAINT app_password_use_app_password
FOREIGN KEY (app_password_id) REFERENCES app_password (id) ON DELETE CASCADE
"""


def trigger(table: str, columns: str = "") -> str:
    update = f"UPDATE OF {columns}" if columns else "UPDATE"
    return (
        f"CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR TRUNCATE OR {update} ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION config_changed()"
    )


def drop(table: str) -> str:
    return f"DROP TRIGGER config_changed ON {table}"


class Migration(migrations.Migration):

    dependencies = [
        ('directory', '0003_searches_use_indexes'),
        ('transport', '0006_limits_of_mail_access'),
    ]

    operations = [
        migrations.CreateModel(
            name='AppPassword',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='app_passwords', to=settings.AUTH_USER_MODEL)),
                ('name', models.CharField(help_text='The device or program that uses it.', max_length=100)),
                ('digest', models.BinaryField()),
                ('stored_key', models.BinaryField()),
                ('server_key', models.BinaryField()),
                ('allow_imap', models.BooleanField(default=True, verbose_name='IMAP')),
                ('allow_pop3', models.BooleanField(default=True, verbose_name='POP3')),
                ('allow_smtp', models.BooleanField(default=True, verbose_name='submission')),
                ('networks', django.contrib.postgres.fields.ArrayField(base_field=mailadmin.transport.fields.CidrField(max_length=64), blank=True, default=list, help_text='Networks in which it works; empty: anywhere.', size=None)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'db_table': 'app_password',
                'ordering': ['name', 'id'],
            },
        ),
        migrations.CreateModel(
            name='OauthIssuer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('issuer', models.CharField(help_text="As the token's claim <code>iss</code> says it, letter by letter: <code>https://id.example.org</code>.", max_length=500, unique=True)),
                ('audience', models.CharField(help_text="What the token's claim <code>aud</code> must name: this mail service there.", max_length=500)),
                ('jwks_url', models.CharField(blank=True, help_text='Where the issuer publishes its keys (RFC 7517). Empty: the keys below.', max_length=500, verbose_name='JWKS address')),
                ('jwks', models.TextField(blank=True, help_text='A JWK set, when the issuer publishes none; RSA and P-256 keys.', verbose_name='keys')),
                ('address_claim', models.CharField(default='email', help_text='The claim that holds the mail address of the account.', max_length=100)),
                ('enabled', models.BooleanField(default=True)),
            ],
            options={
                'verbose_name': 'OAuth issuer',
                'verbose_name_plural': 'OAuth issuers',
                'db_table': 'oauth_issuer',
                'ordering': ['issuer'],
            },
        ),
        migrations.AddField(
            model_name='account',
            name='app_passwords_only',
            field=models.BooleanField(db_default=False, default=False, help_text="The account's own password then opens only the web pages; each device needs an app password.", verbose_name='only app passwords for mail'),
        ),
        migrations.AddField(
            model_name='account',
            name='login_networks',
            field=django.contrib.postgres.fields.ArrayField(base_field=mailadmin.transport.fields.CidrField(max_length=64), blank=True, db_default=[], default=list, help_text='Networks from which this account may log in, over every protocol and the web; empty: anywhere (Dovecot: <code>allow_nets</code>).', size=None),
        ),
        migrations.AddField(
            model_name='account',
            name='quota_messages',
            field=models.BigIntegerField(db_default=0, default=0, help_text='How many messages the mailboxes may hold; 0 means unlimited (Dovecot: <code>quota_rule = *:messages=</code>).', verbose_name='message quota'),
        ),
        migrations.AddField(
            model_name='account',
            name='scram_iterations',
            field=models.IntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='account',
            name='scram_salt',
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name='account',
            name='scram_server_key',
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name='account',
            name='scram_stored_key',
            field=models.BinaryField(null=True),
        ),
        migrations.AddConstraint(
            model_name='account',
            constraint=models.CheckConstraint(condition=models.Q(('quota_messages__gte', 0)), name='account_message_quota_not_negative', violation_error_message='The quota cannot be negative; 0 means unlimited.'),
        ),
        migrations.CreateModel(
            name='AppPasswordUse',
            fields=[
                ('app_password', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='use', serialize=False, to='directory.apppassword')),
                ('last_at', models.DateTimeField()),
                ('last_address', models.GenericIPAddressField()),
            ],
            options={
                'db_table': 'app_password_use',
            },
        ),
        migrations.AddConstraint(
            model_name='apppassword',
            constraint=models.UniqueConstraint(fields=('account', 'digest'), name='app_password_unique_in_account'),
        ),
        migrations.RunSQL(CASCADE, "ALTER TABLE app_password_use DROP CONSTRAINT app_password_use_app_password"),
        migrations.RunSQL(drop("account"), trigger("account", BEFORE)),
        migrations.RunSQL(trigger("account", NOW), drop("account")),
        migrations.RunSQL(trigger("app_password"), drop("app_password")),
        migrations.RunSQL(trigger("oauth_issuer"), drop("oauth_issuer")),
    ]
