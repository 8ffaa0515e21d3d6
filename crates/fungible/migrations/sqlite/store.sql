CREATE TABLE fungible_migrations (
    component  TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    applied_ms BIGINT NOT NULL,
    PRIMARY KEY (component, version)
);
