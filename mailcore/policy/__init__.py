"""May this be done? Pure rules, each with a name and a reason, over a Snapshot and the routes."""
