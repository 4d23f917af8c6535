"""The REST API at /api/v1/: provisioning, queue and trace for programs."""
