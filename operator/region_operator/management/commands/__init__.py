"""The API commands, one module per noun, declared."""
