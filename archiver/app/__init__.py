"""ROOF: the only place that knows everything."""
