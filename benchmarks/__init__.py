"""Small programs of one form: a workload, ours and a named peer's, in the same run."""
