"""/mail/: the viewer. A folder is addressed by its id, a message by folder and UID: both stay when names change."""

from django.urls import path

from mailadmin.autoconfig import profiles
from mailadmin.webmail.policy import page
from mailadmin.webmail.views import account, actions, compose, folders, messages, parts, session

app_name = "webmail"

MESSAGE = "folder/<int:mailbox_id>/<int:uid>/"

urlpatterns = [
    path("", folders.home, name="home"),
    path("login/", session.sign_in, name="login"),
    path("logout/", session.sign_out, name="logout"),
    path("folder/", folders.create_folder, name="create_folder"),
    path("folder/<int:mailbox_id>/", folders.message_list, name="list"),
    path("folder/<int:mailbox_id>/news/", folders.news, name="news"),
    path("folder/<int:mailbox_id>/act/", actions.act, name="act"),
    path("folder/<int:mailbox_id>/delete/", folders.delete_folder, name="delete_folder"),
    path(MESSAGE, messages.message, name="message"),
    path(MESSAGE + "journey/", messages.message_journey, name="journey"),
    path(MESSAGE + "headers/", messages.message_headers, name="headers"),
    path(MESSAGE + "source/", messages.message_source, name="source"),
    path(MESSAGE + "html/", parts.html_part, name="html"),
    path(MESSAGE + "raw/", parts.raw, name="raw"),
    path(MESSAGE + "part/<str:number>/", parts.part, name="part"),
    path("inline/<str:key>/", parts.inline, name="inline"),
    path("compose/", compose.compose, name="compose"),
    path("account/", account.account, name="account"),
    path("account/app-password/<int:pk>/revoke/", account.revoke, name="revoke"),
    path("account/only-app-passwords/", account.only_app_passwords, name="only_app_passwords"),
    path("profile/", page(profiles.own), name="profile"),
]
