-- A task lives in its user's own namespace: the id is made by the client, so two users may choose the same one.
CREATE TABLE tasks (
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    -- Order of adding within the user.
    position BIGINT NOT NULL,
    title TEXT NOT NULL,
    -- The title that the task was added under: a late resend of the add is known by it, also after a rename.
    added_as TEXT NOT NULL,
    done BIGINT NOT NULL,
    -- Set on a tombstone: the titles are gone, the id stays, so that a late resend of the add adds nothing.
    deleted_at BIGINT,
    PRIMARY KEY (user_id, id)
);

-- Listing, counting and finding the next position touch no tombstone.
CREATE INDEX tasks_in_order ON tasks (user_id, position) WHERE deleted_at IS NULL;
