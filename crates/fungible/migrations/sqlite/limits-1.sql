CREATE TABLE fungible_limits (
    -- A hash of the limit's name and of who is limited.
    id     BLOB   NOT NULL PRIMARY KEY,
    -- The theoretical arrival time of GCRA: before it has come, part of the quota is used up.
    tat_ms BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX fungible_limits_tat_ms ON fungible_limits (tat_ms);
