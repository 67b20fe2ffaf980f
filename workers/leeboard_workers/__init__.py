"""The data plane: what watches, serves and retrains models."""
