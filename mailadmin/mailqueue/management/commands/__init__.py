"""run_scheduler."""
