"""The SMTP program: ports 25, 587 and 465. Started as `python -m smtpd.service`."""
