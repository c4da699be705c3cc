"""Runs the processes of one machine as one tree: the demo, or a real configuration."""
