"""The replication engine: model (pure), catalog (pure), store (SQL), links and the agent program."""
