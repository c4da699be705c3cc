"""People and their plans: checked, saved, imported."""
