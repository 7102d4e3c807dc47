"""The operator: observe, plan (pure), execute, status (pure)."""
