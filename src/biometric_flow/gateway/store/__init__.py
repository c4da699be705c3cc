"""Tables, migrations and queries of the gateway."""
