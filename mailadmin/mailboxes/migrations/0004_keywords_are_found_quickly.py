"""SELECT tells which keywords a mailbox has; few messages have any."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailboxes", "0003_words_of_messages_are_indexed")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["mailbox"], condition=~models.Q(keywords=[]), name="message_keyworded"),
        ),
    ]
