"""What processes say to each other over HTTP: schemas, problems and typed clients."""
