"""All locations: who may ask, where it goes, what it adds up to; serves :9000."""
