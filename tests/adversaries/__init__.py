"""Who has the disk of one side, and what they do with it."""
