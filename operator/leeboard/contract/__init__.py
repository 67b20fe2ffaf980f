"""The documents between operator, workers and data plane; frozen, changed only by adding."""
