-- The throughput of the last day, for the status page.
CREATE INDEX events_stored ON events (at) WHERE name = 'stored';
