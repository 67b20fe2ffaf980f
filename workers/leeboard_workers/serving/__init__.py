"""The data plane: predictor, transformer, collector and the fetcher of models."""
