"""BiometricFlow-ZK: every punch of every ZK terminal, exactly once, as hours that can be proved."""

__version__ = "0.1.0"
