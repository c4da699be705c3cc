"""The ordinary day of many people at once, in columns of NumPy; the readable engine judges it and does the rest."""
