"""The machinery that all kinds share: it looks, asks a pure decision, writes and reports."""
