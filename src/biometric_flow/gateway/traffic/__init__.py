"""How much is let through: pure state machines, `now` is an argument."""
