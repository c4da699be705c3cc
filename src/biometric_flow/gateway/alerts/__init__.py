"""Alerts without another system: what is wrong, who is told, once, together, and not at night."""
