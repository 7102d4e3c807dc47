"""(spec, observed) -> manifests and steps; pure."""
