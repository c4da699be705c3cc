"""A terminal made of software, for tests, demos and load."""
