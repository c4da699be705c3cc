"""From the store to workdays and back: load, compute, keep up to date, preview."""
