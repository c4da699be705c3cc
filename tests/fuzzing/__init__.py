"""Bytes that nobody meant: every decoder of both protocols, what may come of it, and what is fed to it."""
