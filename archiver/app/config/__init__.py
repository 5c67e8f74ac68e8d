"""Configuration: one TOML file, read once into frozen dataclasses. pydantic has its only home here."""
