-- The environment that the record belongs to (record/environment.rs): no row while nobody has bound it, and never a second one.
SET LOCAL search_path = checkpoint_signer, pg_catalog, pg_temp; -- for the names of this file

CREATE TABLE record_environment (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    environment TEXT NOT NULL,
    bound_at    BIGINT NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON record_environment
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
