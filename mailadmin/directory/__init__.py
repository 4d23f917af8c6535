"""Who exists here: domains, accounts, aliases."""
