"""One pass over one object: observe -> plan (pure) -> execute -> status (pure), level-triggered and idempotent."""
