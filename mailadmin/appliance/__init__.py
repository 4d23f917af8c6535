"""The appliance: one command that makes, starts, watches and stops every process of the mail system."""
