"""The two HTTP protocols in which terminals dial a server (`/iclock`): text <-> meaning, no I/O."""
