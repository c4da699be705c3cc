"""Accounts: passwords, tokens, roles and what they may do."""
