"""The HTTP operations of a place, one module per subject."""
