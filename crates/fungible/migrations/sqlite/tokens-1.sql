CREATE TABLE fungible_logins (
    -- One login of an API client: what its tokens have in common.
    id         TEXT   NOT NULL PRIMARY KEY,
    user_id    TEXT   NOT NULL REFERENCES fungible_users (id) ON DELETE CASCADE,
    -- The user's generation at login. When the user's is another one, the login has ended.
    generation BIGINT NOT NULL,
    -- Keyed hashes of the refresh token that is valid, and of the one before it.
    current    BLOB   NOT NULL,
    previous   BLOB,
    -- When it expires if nobody refreshes it, and when it ends in any case.
    expires_ms BIGINT NOT NULL,
    ends_ms    BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX fungible_logins_expires_ms ON fungible_logins (expires_ms);
CREATE INDEX fungible_logins_user_id ON fungible_logins (user_id);
