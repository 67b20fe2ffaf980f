"""The words of Leeboard's API: one file per kind, shared pieces, rules; no I/O."""

GROUP = "leeboard.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
