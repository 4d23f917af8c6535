"""What an administrator may change while the programs run."""
