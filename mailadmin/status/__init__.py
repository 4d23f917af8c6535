"""Dashboard, health and metrics."""
