"""The archiver of call recordings: listing, walk, catalog, download, accept, store, verify, delete."""
