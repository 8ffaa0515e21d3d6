CREATE TABLE fungible_sessions (
    -- A keyed hash of the id in the cookie: who reads this table can log in as nobody.
    id_hash    BYTEA  NOT NULL PRIMARY KEY,
    user_id    TEXT   NOT NULL REFERENCES fungible_users (id) ON DELETE CASCADE,
    -- The user's generation at login. When the user's is another one, the session has ended.
    generation BIGINT NOT NULL,
    seen_ms    BIGINT NOT NULL,
    -- When it expires if nobody uses it, and when it ends in any case.
    expires_ms BIGINT NOT NULL,
    ends_ms    BIGINT NOT NULL
);

CREATE INDEX fungible_sessions_expires_ms ON fungible_sessions (expires_ms);
CREATE INDEX fungible_sessions_user_id ON fungible_sessions (user_id);
