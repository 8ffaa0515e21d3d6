CREATE TABLE fungible_migrations (
    component  TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    applied_ms BIGINT NOT NULL,
    PRIMARY KEY (component, version)
);

-- The time of the store: the same for all instances, whatever their clocks say.
CREATE FUNCTION fungible_now_ms() RETURNS BIGINT LANGUAGE sql VOLATILE
    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';
