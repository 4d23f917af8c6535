from django.db import migrations

# Postfix's defaults: mynetworks_style = host.
NETWORKS = {"127.0.0.0/8": "This machine", "::1/128": "This machine, IPv6"}


def create(apps, schema_editor):
    apps.get_model("transport", "ConfigGeneration").objects.create(id=1, generation=1)
    apps.get_model("transport", "ServerSettings").objects.create(
        id=1, myhostname="localhost.localdomain", mydomain="localdomain", myorigin="localdomain"
    )
    for cidr, note in NETWORKS.items():
        apps.get_model("transport", "MyNetwork").objects.create(cidr=cidr, note=note)


class Migration(migrations.Migration):
    dependencies = [("transport", "0002_open_relay_refused")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
