"""Schema ``region_sync`` in MariaDB; the only SQL of the engine."""
