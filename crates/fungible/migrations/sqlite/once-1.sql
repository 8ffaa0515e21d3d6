CREATE TABLE fungible_once (
    -- A hash of whose key it is and of the key.
    id         BLOB   NOT NULL PRIMARY KEY,
    -- A hash of the request that came with it first.
    request    BLOB   NOT NULL,
    -- What was answered, as JSON.
    answer     TEXT   NOT NULL,
    expires_ms BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX fungible_once_expires_ms ON fungible_once (expires_ms);
