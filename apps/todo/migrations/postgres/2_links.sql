-- A link lets whoever has it read and change its user's list. The id is made by the client, as a task's is.
CREATE TABLE links (
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    -- A keyed hash of the secret in the address: who reads this table can open no list.
    secret_hash BYTEA NOT NULL UNIQUE,
    made_ms BIGINT NOT NULL,
    -- Set on a tombstone: the link opens nothing any more, the id stays, so that a late resend does not bring it back.
    ended_ms BIGINT,
    PRIMARY KEY (user_id, id)
);
