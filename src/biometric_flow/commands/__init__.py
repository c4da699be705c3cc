"""What people do with terminals from a command line: one module of questions, one of changes, how both are shown."""
