"""Where complexity moves: lines of code, and what must be set up."""

import re

from benching import ROOT

RUST = re.compile(r"^\s*(//.*)?$")
SQL = re.compile(r"^\s*(--.*)?$")


def lines(*patterns, without=()):
    """Lines of code in files, without comments, empty lines and unit tests."""
    left_out = {file for pattern in without for file in ROOT.glob(pattern)}
    files = {file for pattern in patterns for file in ROOT.glob(pattern)} - left_out
    if not files:
        raise FileNotFoundError(f"there is no file {' or '.join(patterns)} in {ROOT}")
    count = 0
    for file in files:
        code = file.read_text().split("#[cfg(test)]\nmod tests {")[0]
        empty = SQL if file.suffix == ".sql" else RUST
        count += sum(not empty.match(line) for line in code.splitlines())
    return count


def counted():
    sharing = ("apps/todo/src/share.rs", "apps/todo/src/links.rs", "apps/todo/src/pages/links.rs")
    toolkit = "crates/fungible/src/**/*.rs"
    return {
        "stateful": lines("apps/todo-broken/src/**/*.rs"),
        "stateless": lines("apps/todo/src/**/*.rs", without=sharing),
        "sharing": lines(*sharing),
        "sql": lines("apps/todo/migrations/sqlite/*.sql"),
        "web": lines("apps/web/src/**/*.rs"),
        "toolkit": lines(toolkit, without=("crates/fungible/src/**/tests.rs", "crates/fungible/src/**/tests/*.rs")),
        "smallest": lines("crates/fungible/examples/notes.rs"),
    }
