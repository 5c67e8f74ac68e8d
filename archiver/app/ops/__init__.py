"""The ops endpoint: liveness, readiness, metrics, and a page for people. It only reads."""
