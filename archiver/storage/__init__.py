"""Where audio ends up."""
