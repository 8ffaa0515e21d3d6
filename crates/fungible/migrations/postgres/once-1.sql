CREATE TABLE fungible_once (
    -- A hash of whose key it is and of the key.
    id         BYTEA  NOT NULL PRIMARY KEY,
    -- A hash of the request that came with it first.
    request    BYTEA  NOT NULL,
    -- What was answered, as JSON.
    answer     TEXT   NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE INDEX fungible_once_expires_ms ON fungible_once (expires_ms);
