"""What all tests share: properties are judged by their answer, not by how busy the machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("region-operator", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("region-operator")
