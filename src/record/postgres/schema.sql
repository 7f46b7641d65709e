-- Rows are only ever added. The triggers hold the core's rules (history/rules.rs) a second time, inside of the
-- database, so that no program and no operator with a shell breaks them by mistake. One is held by the service alone: that
-- nothing is signed now by a revoked key, whatever its clock shows; what was signed before is put back (record/restore.rs).
-- Every time is in seconds since 1970. In a schema of its own: the database may be the platform's.

CREATE SCHEMA checkpoint_signer;
SET LOCAL search_path = checkpoint_signer, pg_catalog, pg_temp; -- for the names of this file; none relies on it later

CREATE TABLE record_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);
INSERT INTO record_version VALUES (1, 0);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN RAISE 'rows are never changed or deleted'; END $$;

CREATE TABLE key_version (
    key_id      TEXT COLLATE "C" PRIMARY KEY,
    public_key  BYTEA NOT NULL UNIQUE,           -- DER of the SubjectPublicKeyInfo
    algorithm   TEXT NOT NULL,                   -- JOSE name
    valid_from  BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    CHECK (valid_from < valid_until)
);

CREATE TABLE key_endorsement (
    key_id      TEXT COLLATE "C" PRIMARY KEY REFERENCES key_version (key_id),
    endorsement TEXT NOT NULL                    -- the JWS by the key before it
);

CREATE TABLE key_revocation (
    key_id         TEXT COLLATE "C" NOT NULL REFERENCES key_version (key_id),
    distrust_after BIGINT NOT NULL,
    reason         TEXT NOT NULL,
    revoked_at     BIGINT NOT NULL
);
CREATE INDEX key_revocation_by_key ON key_revocation (key_id, distrust_after);

CREATE TABLE signed_checkpoint (
    position        BIGINT PRIMARY KEY,          -- 1, 2, 3, without a gap
    ledger_id       TEXT COLLATE "C" NOT NULL,
    checkpoint_id   TEXT COLLATE "C" NOT NULL,
    entry_count     BIGINT NOT NULL CHECK (entry_count >= 0),
    cumulative_hash BYTEA NOT NULL CHECK (length(cumulative_hash) = 32),
    total_volume    BIGINT NOT NULL,
    timestamp       BIGINT NOT NULL,
    key_id          TEXT COLLATE "C" NOT NULL REFERENCES key_version (key_id),
    signed_at       BIGINT NOT NULL,             -- the JWS header's iat
    payload         BYTEA NOT NULL,              -- the JCS bytes
    signature       TEXT NOT NULL,               -- the detached JWS
    UNIQUE (ledger_id, checkpoint_id)
);
CREATE INDEX signed_checkpoint_by_place ON signed_checkpoint (ledger_id, entry_count, position);

-- The newest row of each ledger.
CREATE TABLE ledger_head (
    ledger_id       TEXT COLLATE "C" PRIMARY KEY,
    entry_count     BIGINT NOT NULL,
    cumulative_hash BYTEA NOT NULL,
    total_volume    BIGINT NOT NULL,
    timestamp       BIGINT NOT NULL
);

-- The tree over all rows (log/tree.rs of the core), written together with them. Whoever appends or revokes locks it first.
CREATE TABLE record_head (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    size             BIGINT NOT NULL,            -- rows
    frontier         BYTEA NOT NULL,
    newest_signed_at BIGINT                      -- the latest of all rows; none without rows
);
INSERT INTO record_head (id, size, frontier) VALUES (1, 0, '');

-- Where the record has lived: the newest row must name the server that answers, or nothing is signed (record/home.rs).
CREATE TABLE record_home (
    number      BIGINT PRIMARY KEY CHECK (number > 0),
    system      TEXT NOT NULL,                   -- PostgreSQL's system identifier
    timeline    BIGINT NOT NULL,                 -- of the write-ahead log: a promotion begins a new one
    database    BIGINT NOT NULL,                 -- its oid
    token       TEXT NOT NULL,                   -- random
    rows        BIGINT NOT NULL,                 -- how many rows the record had then
    who         TEXT NOT NULL,
    reason      TEXT NOT NULL,
    accepted_at BIGINT NOT NULL
);

-- The roots of complete subtrees at every eighth level, for proofs: about one for 255 rows.
CREATE TABLE tree_node (
    level    INTEGER NOT NULL CHECK (level >= 8 AND level <= 56 AND level % 8 = 0), -- a dump puts BETWEEN back as something else
    position BIGINT NOT NULL CHECK (position >= 0), -- subtrees of this level to the left of it
    hash     BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, position)
);

CREATE FUNCTION judge_node() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.position >= (SELECT coalesce(max(position), 0) FROM checkpoint_signer.signed_checkpoint) >> NEW.level THEN
        RAISE 'the node is beyond the rows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tree_node_judged BEFORE INSERT ON tree_node
FOR EACH ROW EXECUTE FUNCTION judge_node();

CREATE FUNCTION judge_row() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE head checkpoint_signer.ledger_head%ROWTYPE;
BEGIN
    IF NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM checkpoint_signer.signed_checkpoint) THEN
        RAISE 'position leaves a gap';
    END IF;
    SELECT * INTO head FROM checkpoint_signer.ledger_head WHERE ledger_id = NEW.ledger_id FOR UPDATE;
    IF FOUND AND NEW.entry_count < head.entry_count THEN
        RAISE 'a larger entry_count is on record';
    END IF;
    IF FOUND AND NEW.timestamp < head.timestamp THEN
        RAISE 'a later timestamp is on record';
    END IF;
    IF FOUND AND NEW.entry_count = head.entry_count
        AND (NEW.cumulative_hash <> head.cumulative_hash OR NEW.total_volume <> head.total_volume) THEN
        RAISE 'another history is on record';
    END IF;
    IF EXISTS (
        SELECT 1 FROM checkpoint_signer.key_revocation
        WHERE key_id = NEW.key_id AND distrust_after <= NEW.signed_at
    ) THEN
        RAISE 'the key is revoked';
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM checkpoint_signer.key_version
        WHERE key_id = NEW.key_id AND valid_from <= NEW.signed_at AND NEW.signed_at < valid_until
    ) THEN
        RAISE 'signed outside of the window of the key';
    END IF;
    INSERT INTO checkpoint_signer.ledger_head
    VALUES (NEW.ledger_id, NEW.entry_count, NEW.cumulative_hash, NEW.total_volume, NEW.timestamp)
    ON CONFLICT (ledger_id) DO UPDATE
    SET entry_count = NEW.entry_count, cumulative_hash = NEW.cumulative_hash, total_volume = NEW.total_volume,
        timestamp = NEW.timestamp;
    RETURN NEW;
END $$;
CREATE TRIGGER signed_checkpoint_judged BEFORE INSERT ON signed_checkpoint
FOR EACH ROW EXECUTE FUNCTION judge_row();

-- Where an operator let signing go on from the true time, after a clock had run ahead (history/resumption.rs of the core).
CREATE TABLE clock_resumption (
    after_rows       BIGINT NOT NULL,
    newest_signed_at BIGINT NOT NULL,
    resumed_from     BIGINT NOT NULL,
    resumed_by       TEXT NOT NULL,
    reason           TEXT NOT NULL,
    PRIMARY KEY (after_rows, resumed_from),
    CHECK (resumed_from < newest_signed_at)
);

CREATE FUNCTION judge_resumption() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM checkpoint_signer.record_head WHERE size = NEW.after_rows AND newest_signed_at = NEW.newest_signed_at
    ) THEN
        RAISE 'the head is another one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER clock_resumption_judged BEFORE INSERT ON clock_resumption
FOR EACH ROW EXECUTE FUNCTION judge_resumption();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON clock_resumption
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION follow_rows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.size = OLD.size AND NEW.frontier = OLD.frontier AND EXISTS (
        SELECT 1 FROM checkpoint_signer.clock_resumption WHERE after_rows = NEW.size
          AND newest_signed_at = OLD.newest_signed_at AND resumed_from = NEW.newest_signed_at
    ) THEN
        RETURN NEW;
    END IF;
    IF NEW.size <= OLD.size OR NEW.size <> (SELECT coalesce(max(position), 0) FROM checkpoint_signer.signed_checkpoint)
        OR NEW.newest_signed_at < OLD.newest_signed_at THEN
        RAISE 'the head does not follow the rows';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER record_head_follows BEFORE UPDATE ON record_head
FOR EACH ROW EXECUTE FUNCTION follow_rows();

CREATE FUNCTION go_forwards() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.ledger_id <> OLD.ledger_id OR NEW.entry_count < OLD.entry_count
        OR NEW.timestamp < OLD.timestamp THEN
        RAISE 'a ledger goes forwards only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_head_forwards BEFORE UPDATE ON ledger_head
FOR EACH ROW EXECUTE FUNCTION go_forwards();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signed_checkpoint
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON key_version
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON key_endorsement
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON key_revocation
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON record_home
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tree_node
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON ledger_head
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON record_head
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How many of the first rows were signed before an instant, as far as their order tells: of two rows, the later
-- one was signed no more than the tolerance of the clocks before the earlier. (No index by time is needed so.)
CREATE FUNCTION rows_before(instant BIGINT) RETURNS BIGINT LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    low    BIGINT := 0;
    high   BIGINT := (SELECT size + 1 FROM checkpoint_signer.record_head);
    middle BIGINT;
BEGIN
    WHILE high - low > 1 LOOP
        middle := low + (high - low) / 2;
        IF (SELECT signed_at FROM checkpoint_signer.signed_checkpoint WHERE position = middle) < instant THEN
            low := middle;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;
