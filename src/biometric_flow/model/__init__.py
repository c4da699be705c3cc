"""The words of the house as frozen values: no clock, no disk, no socket."""
