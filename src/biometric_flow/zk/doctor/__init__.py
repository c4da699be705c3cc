"""Examining a terminal: what is asked, what the answers mean, and the report."""
