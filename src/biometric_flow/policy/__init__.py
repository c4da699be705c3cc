"""What an hour is: punches in, workdays out, every minute explained. Pure; the contract is docs/policy.md."""
