"""Stand-ins for what a cluster would have: controllers and nodes of KServe, KubeRay and a gateway.

They do the documented behaviour of the real ones on one machine, with real processes behind it, write status as
the real ones do, and know nothing of Leeboard.
"""
