"""The HTTP operations of the gateway, one module per subject."""
