CREATE TABLE fungible_spent (
    -- A hash of a sealed value that was used up.
    id         BYTEA  NOT NULL PRIMARY KEY,
    expires_ms BIGINT NOT NULL
);

CREATE INDEX fungible_spent_expires_ms ON fungible_spent (expires_ms);
