"""Cold punches in Parquet files: moved there, read beside the hot ones, checked against the ledger, brought back."""
