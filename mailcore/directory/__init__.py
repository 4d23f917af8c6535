"""Who exists here, and who may log in."""
