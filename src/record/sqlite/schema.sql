-- Rows are only ever added. The triggers hold the core's rules (history/rules.rs) a second time, inside of the
-- database, so that no program and no operator with a shell breaks them by mistake. One is held by the service alone: that
-- nothing is signed now by a revoked key, whatever its clock shows; what was signed before is put back (record/restore.rs).

CREATE TABLE key_version (
    key_id      TEXT PRIMARY KEY,
    public_key  BLOB NOT NULL UNIQUE,            -- DER of the SubjectPublicKeyInfo
    algorithm   TEXT NOT NULL,                   -- JOSE name
    valid_from  INTEGER NOT NULL,                -- seconds since 1970, as every time here
    valid_until INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    CHECK (valid_from < valid_until)
) STRICT;

CREATE TABLE key_endorsement (
    key_id      TEXT PRIMARY KEY REFERENCES key_version (key_id),
    endorsement TEXT NOT NULL                    -- the JWS by the key before it
) STRICT;

CREATE TABLE key_revocation (
    key_id         TEXT NOT NULL REFERENCES key_version (key_id),
    distrust_after INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    revoked_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX key_revocation_by_key ON key_revocation (key_id, distrust_after);

CREATE TABLE signed_checkpoint (
    position        INTEGER PRIMARY KEY,         -- 1, 2, 3, without a gap
    ledger_id       TEXT NOT NULL,
    checkpoint_id   TEXT NOT NULL,
    entry_count     INTEGER NOT NULL CHECK (entry_count >= 0),
    cumulative_hash BLOB NOT NULL CHECK (length(cumulative_hash) = 32),
    total_volume    INTEGER NOT NULL,
    timestamp       INTEGER NOT NULL,
    key_id          TEXT NOT NULL REFERENCES key_version (key_id),
    signed_at       INTEGER NOT NULL,            -- the JWS header's iat
    payload         BLOB NOT NULL,               -- the JCS bytes
    signature       TEXT NOT NULL                -- the detached JWS
) STRICT;
-- Each index costs every signature a page to write. There is none by time or key: signed_at rises with the
-- position but for the tolerance of the clocks, and a key signs within its window.
CREATE UNIQUE INDEX signed_checkpoint_by_id ON signed_checkpoint (ledger_id, checkpoint_id);
CREATE INDEX signed_checkpoint_by_place ON signed_checkpoint (ledger_id, entry_count);

-- The tree over all rows (log/tree.rs of the core), written together with them.
CREATE TABLE record_head (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    size             INTEGER NOT NULL,           -- rows
    frontier         BLOB NOT NULL,
    newest_signed_at INTEGER,                    -- the latest of all rows; none without rows
    -- Which file it is, and whether all of it is in the file (record/sqlite/whole.rs).
    record_id        BLOB NOT NULL CHECK (length(record_id) = 16),
    commits          INTEGER NOT NULL DEFAULT 0, -- each transaction that writes adds one
    open             INTEGER NOT NULL DEFAULT 0 CHECK (open IN (0, 1))
) STRICT;
INSERT INTO record_head (id, size, frontier, record_id) VALUES (1, 0, x'', randomblob(16));

-- The roots of complete subtrees at every eighth level, for proofs: about one for 255 rows.
CREATE TABLE tree_node (
    level    INTEGER NOT NULL CHECK (level BETWEEN 8 AND 56 AND level % 8 = 0),
    position INTEGER NOT NULL CHECK (position >= 0), -- subtrees of this level to the left of it
    hash     BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tree_node_of_rows BEFORE INSERT ON tree_node
WHEN NEW.position >= (SELECT coalesce(max(position), 0) FROM signed_checkpoint) >> NEW.level
BEGIN SELECT RAISE(ABORT, 'the node is beyond the rows'); END;

-- Where an operator let signing go on from the true time, after a clock had run ahead (history/resumption.rs of the core).
CREATE TABLE clock_resumption (
    after_rows       INTEGER NOT NULL,
    newest_signed_at INTEGER NOT NULL,
    resumed_from     INTEGER NOT NULL,
    resumed_by       TEXT NOT NULL,
    reason           TEXT NOT NULL,
    PRIMARY KEY (after_rows, resumed_from),
    CHECK (resumed_from < newest_signed_at)
) STRICT;
CREATE TRIGGER clock_resumption_of_head BEFORE INSERT ON clock_resumption
WHEN NOT EXISTS (
    SELECT 1 FROM record_head WHERE size = NEW.after_rows AND newest_signed_at = NEW.newest_signed_at
)
BEGIN SELECT RAISE(ABORT, 'the head is another one'); END;
CREATE TRIGGER clock_resumption_no_update BEFORE UPDATE ON clock_resumption
BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TRIGGER clock_resumption_no_delete BEFORE DELETE ON clock_resumption
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;

CREATE TRIGGER record_head_follows BEFORE UPDATE ON record_head
WHEN NEW.size < OLD.size OR NEW.commits < OLD.commits OR NEW.record_id <> OLD.record_id
  OR NEW.size <> (SELECT coalesce(max(position), 0) FROM signed_checkpoint)
  OR NEW.newest_signed_at < OLD.newest_signed_at AND NOT (
    NEW.size = OLD.size AND EXISTS (
        SELECT 1 FROM clock_resumption WHERE after_rows = NEW.size
          AND newest_signed_at = OLD.newest_signed_at AND resumed_from = NEW.newest_signed_at
    )
  )
BEGIN SELECT RAISE(ABORT, 'the head does not follow the rows'); END;
CREATE TRIGGER record_head_no_delete BEFORE DELETE ON record_head
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;

CREATE TRIGGER signed_checkpoint_position BEFORE INSERT ON signed_checkpoint
WHEN NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM signed_checkpoint)
BEGIN SELECT RAISE(ABORT, 'position leaves a gap'); END;

CREATE TRIGGER signed_checkpoint_one_history BEFORE INSERT ON signed_checkpoint
WHEN EXISTS (
    SELECT 1 FROM signed_checkpoint
    WHERE ledger_id = NEW.ledger_id AND entry_count = NEW.entry_count
      AND (cumulative_hash <> NEW.cumulative_hash OR total_volume <> NEW.total_volume)
)
BEGIN SELECT RAISE(ABORT, 'another history is on record'); END;

CREATE TRIGGER signed_checkpoint_forwards BEFORE INSERT ON signed_checkpoint
WHEN NEW.entry_count < (SELECT max(entry_count) FROM signed_checkpoint WHERE ledger_id = NEW.ledger_id)
BEGIN SELECT RAISE(ABORT, 'a larger entry_count is on record'); END;

CREATE TRIGGER signed_checkpoint_later BEFORE INSERT ON signed_checkpoint
WHEN NEW.timestamp < (
    SELECT timestamp FROM signed_checkpoint WHERE ledger_id = NEW.ledger_id
    ORDER BY entry_count DESC, position DESC LIMIT 1
)
BEGIN SELECT RAISE(ABORT, 'a later timestamp is on record'); END;

CREATE TRIGGER signed_checkpoint_trusted BEFORE INSERT ON signed_checkpoint
WHEN EXISTS (SELECT 1 FROM key_revocation WHERE key_id = NEW.key_id AND distrust_after <= NEW.signed_at)
BEGIN SELECT RAISE(ABORT, 'the key is revoked'); END;

CREATE TRIGGER signed_checkpoint_in_window BEFORE INSERT ON signed_checkpoint
WHEN NOT EXISTS (
    SELECT 1 FROM key_version
    WHERE key_id = NEW.key_id AND valid_from <= NEW.signed_at AND NEW.signed_at < valid_until
)
BEGIN SELECT RAISE(ABORT, 'signed outside of the window of the key'); END;

CREATE TRIGGER signed_checkpoint_no_update BEFORE UPDATE ON signed_checkpoint
BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TRIGGER signed_checkpoint_no_delete BEFORE DELETE ON signed_checkpoint
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;
CREATE TRIGGER key_version_no_update BEFORE UPDATE ON key_version
BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TRIGGER key_version_no_delete BEFORE DELETE ON key_version
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;
CREATE TRIGGER key_revocation_no_update BEFORE UPDATE ON key_revocation
BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TRIGGER key_revocation_no_delete BEFORE DELETE ON key_revocation
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;
CREATE TRIGGER key_endorsement_no_update BEFORE UPDATE ON key_endorsement
BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TRIGGER key_endorsement_no_delete BEFORE DELETE ON key_endorsement
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;
CREATE TRIGGER tree_node_no_update BEFORE UPDATE ON tree_node
BEGIN SELECT RAISE(ABORT, 'rows are never changed'); END;
CREATE TRIGGER tree_node_no_delete BEFORE DELETE ON tree_node
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;
