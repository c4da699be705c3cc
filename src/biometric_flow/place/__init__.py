"""One location: talks to its terminals, writes its ledger, serves :8000 and up."""
