-- The environment that the record belongs to (record/environment.rs): no row while nobody has bound it, and never a second one.
CREATE TABLE record_environment (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    environment TEXT NOT NULL,
    bound_at    INTEGER NOT NULL                 -- seconds since 1970
) STRICT;
CREATE TRIGGER record_environment_no_update BEFORE UPDATE ON record_environment
BEGIN SELECT RAISE(ABORT, 'a record is bound once'); END;
CREATE TRIGGER record_environment_no_delete BEFORE DELETE ON record_environment
BEGIN SELECT RAISE(ABORT, 'a record is bound once'); END;
