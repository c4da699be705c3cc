"""A witness of other people's logs (c2sp.org/tlog-witness): what an auditor or another operator runs."""
