CREATE TABLE fungible_keys (
    -- 1, 2, 3, ..: of two instances that make the next key at the same moment one succeeds.
    id            BIGINT NOT NULL PRIMARY KEY,
    -- Encrypted under the secret that all instances are given.
    wrapped       BLOB   NOT NULL,
    -- From then on it signs; all instances know it by then.
    signs_from_ms BIGINT NOT NULL
);
