"""What each region shows, as plain values: gateway answers in, words and numbers out; no UI code, no I/O, no clock."""
