"""What any process needs: settings, logging, the clock, the database, the HTTP baseline."""
