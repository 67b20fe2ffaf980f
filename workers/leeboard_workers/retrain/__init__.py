"""Trains a challenger, holds it against the champion on rows that neither has seen, and leaves its lineage."""
