CREATE TABLE fungible_users (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    -- The name as it is compared: trimmed and in lower case.
    name_key   TEXT   NOT NULL UNIQUE,
    password   TEXT   NOT NULL,
    -- Raised to end everything that was given to the user before, in the same transaction as the reason for it.
    generation BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
