"""mbox: one file per mailbox, From_ lines, mboxrd quoting."""
