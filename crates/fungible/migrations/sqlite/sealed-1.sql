CREATE TABLE fungible_spent (
    -- A hash of a sealed value that was used up.
    id         BLOB   NOT NULL PRIMARY KEY,
    expires_ms BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX fungible_spent_expires_ms ON fungible_spent (expires_ms);
