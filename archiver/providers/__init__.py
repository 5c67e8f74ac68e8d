"""One file per provider; registry.py names them."""
