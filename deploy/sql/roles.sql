-- Once, as an administrator of the server: who owns the catalog, and who only works in it.
-- archiver_owner migrates; archiver is the service's role. Give both a password (\password) or a line in pg_hba.conf.
CREATE ROLE archiver_owner LOGIN;
CREATE ROLE archiver LOGIN;
CREATE DATABASE archiver OWNER archiver_owner;
REVOKE ALL ON DATABASE archiver FROM PUBLIC;
GRANT CONNECT ON DATABASE archiver TO archiver;
