CREATE TABLE fungible_jobs (
    id       TEXT   NOT NULL PRIMARY KEY,
    kind     TEXT   NOT NULL,
    -- As JSON.
    payload  TEXT   NOT NULL,
    -- When it may be taken. Whoever runs it moves this on as long as it lives: a lease that ends by itself.
    due_ms   BIGINT NOT NULL,
    -- Who runs it.
    lease    TEXT,
    attempts BIGINT NOT NULL,
    -- Why the last attempt failed.
    error    TEXT,
    -- 1 when it has failed too often: nobody takes it any more.
    dead     BIGINT NOT NULL
);

CREATE INDEX fungible_jobs_due_ms ON fungible_jobs (due_ms) WHERE dead = 0;
