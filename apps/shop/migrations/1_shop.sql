CREATE TABLE products (
    -- A word for addresses.
    id          TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    cents       BIGINT NOT NULL,
    -- What is there and promised to nobody.
    stock       BIGINT NOT NULL CHECK (stock >= 0)
);

-- The cart of whoever is logged in; that of a guest travels in a cookie.
CREATE TABLE cart_lines (
    user_id    TEXT   NOT NULL REFERENCES fungible_users (id) ON DELETE CASCADE,
    product_id TEXT   NOT NULL REFERENCES products (id),
    quantity   BIGINT NOT NULL,
    PRIMARY KEY (user_id, product_id)
);

-- The guests' carts that were merged: their cookies may come again.
CREATE TABLE merged_carts (
    id        TEXT   NOT NULL PRIMARY KEY,
    merged_ms BIGINT NOT NULL
);

CREATE INDEX merged_carts_merged_ms ON merged_carts (merged_ms);

CREATE TABLE orders (
    id        TEXT   NOT NULL PRIMARY KEY,
    user_id   TEXT   NOT NULL REFERENCES fungible_users (id) ON DELETE CASCADE,
    cents     BIGINT NOT NULL,
    card      TEXT   NOT NULL,
    -- paying, paid, refused; or unclear, when the payment service says what cannot be.
    state     TEXT   NOT NULL,
    -- How often the payment service said what cannot be.
    nonsense  BIGINT NOT NULL DEFAULT 0,
    placed_ms BIGINT NOT NULL
);

CREATE INDEX orders_user_id ON orders (user_id, id);

-- As it was when the order was placed.
CREATE TABLE order_lines (
    order_id   TEXT   NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id TEXT   NOT NULL REFERENCES products (id),
    name       TEXT   NOT NULL,
    cents      BIGINT NOT NULL,
    quantity   BIGINT NOT NULL,
    PRIMARY KEY (order_id, product_id)
);

CREATE TABLE receipts (
    order_id   TEXT   NOT NULL PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
    text       TEXT   NOT NULL,
    written_ms BIGINT NOT NULL
);

INSERT INTO products (id, name, description, cents, stock) VALUES
    ('socks', 'Socks', 'Wool, grey, one size that fits nearly all.', 900, 5000),
    ('mug', 'Mug', 'Holds a third of a litre and no session.', 1250, 5000),
    ('notebook', 'Notebook', 'Squared paper, for sequence diagrams.', 700, 5000),
    ('pencil', 'Pencil', 'Soft, with an eraser at the other end.', 150, 5000),
    ('lamp', 'Desk lamp', 'Warm light; stays on when its neighbour goes out.', 4900, 500),
    ('chair', 'Folding chair', 'One of many that are all alike.', 3900, 500),
    ('kettle', 'Kettle', 'Boils a litre and lets go of it.', 3500, 500),
    ('umbrella', 'Umbrella', 'Shared, for two.', 1900, 500),
    ('clock', 'Wall clock', 'A minute off, and nobody minds.', 2400, 500),
    ('puzzle', 'Puzzle', 'A thousand pieces, any of which may be lost and found.', 1600, 500),
    ('print', 'Print', 'A signed print of which there are three.', 12000, 3),
    ('globe', 'Globe', 'The last one, with the borders of last year.', 8900, 1);
