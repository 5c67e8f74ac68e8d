-- After every `archiver migrate`, as archiver_owner in its database: all that the service needs, and no more.
-- It cannot change the schema, rewrite or remove history, or forget a recording.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO archiver;
REVOKE UPDATE, DELETE ON events FROM archiver;
REVOKE DELETE ON recordings, accounts FROM archiver;
REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM archiver;
