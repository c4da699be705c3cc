"""The `/iclock` server: terminals that dial this place, in both push protocols."""
