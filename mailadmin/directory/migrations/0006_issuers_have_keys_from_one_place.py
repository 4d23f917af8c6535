"""An issuer's keys come from its address or are given, and only one of the two."""

from django.db import migrations, models

import mailadmin.directory.validators


class Migration(migrations.Migration):
    dependencies = [("directory", "0005_login_secret")]
    operations = [
        migrations.AlterField(
            model_name="oauthissuer",
            name="jwks",
            field=models.TextField(
                blank=True,
                help_text="A JWK set, when the issuer publishes none; RSA and P-256 keys.",
                validators=[mailadmin.directory.validators.validate_jwks],
                verbose_name="keys",
            ),
        ),
        migrations.AlterField(
            model_name="oauthissuer",
            name="jwks_url",
            field=models.CharField(
                blank=True,
                help_text="Where the issuer publishes its keys (RFC 7517). Empty: the keys below.",
                max_length=500,
                validators=[mailadmin.directory.validators.validate_jwks_url],
                verbose_name="JWKS address",
            ),
        ),
        migrations.AddConstraint(
            model_name="oauthissuer",
            constraint=models.CheckConstraint(
                condition=models.Q(("jwks_url", ""), ("jwks", ""), _connector="XOR"),
                name="oauth_issuer_has_keys_from_one_place",
                violation_error_message="Give the address of its keys, or the keys themselves.",
            ),
        ),
    ]
