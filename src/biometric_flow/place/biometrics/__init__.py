"""Templates and pictures of people: kept only where a place allows it and the person agreed, and only as ciphertext."""
