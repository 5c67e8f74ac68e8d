"""ISLAND: providers to rehearse with, written from the vendors' pages; imports nothing of ours."""
