"""Where does this recipient go? Pure, given a Snapshot and a Directory."""
