"""Many clouds, one identity: an operator for regions, and the programs that run in each of them.

docs/architecture.md draws how the packages depend on each other; import-linter holds them to it.
"""

__version__ = "0.1.0"
