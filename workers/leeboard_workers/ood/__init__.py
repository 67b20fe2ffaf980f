"""Detectors of requests that do not belong to what a model knows: fit, calibrate, store, score."""
