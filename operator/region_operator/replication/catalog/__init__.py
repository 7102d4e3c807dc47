"""The entities as data: tables, keys, references, fields, exclusions, derived columns; pure."""
