"""How property tests run: held to no time, since a busy machine is no fault of the code."""

from hypothesis import HealthCheck, settings

settings.register_profile("leeboard", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("leeboard")
