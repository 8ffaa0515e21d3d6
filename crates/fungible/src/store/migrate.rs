//! Brings the tables of one component to the version that the program knows. Knows no component.

use super::error::{Result, StoreError};
use super::tx::Tx;
use crate::clock::now_ms;
use crate::params;

/// One step in the history of a component's tables. Once released it must not change; add another one.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// 1, 2, 3, ..
    pub version: u32,
    /// A few words, kept in the store beside the version.
    pub name: &'static str,
    /// The statements for SQLite, usually by `include_str!("../migrations/sqlite/..")`.
    pub sqlite: &'static str,
    /// The statements for PostgreSQL, usually by `include_str!("../migrations/postgres/..")`.
    pub postgres: &'static str,
}

/// Refuses a list whose versions do not rise.
pub(super) fn check_order(component: &str, migrations: &[Migration]) -> Result<()> {
    if migrations.is_sorted_by(|one, next| one.version < next.version) {
        return Ok(());
    }
    Err(StoreError::Sql(format!("the migrations of {component} are not in the order of their versions")))
}

/// Applies the migrations that the store does not have. Looks for them under the lock, as another process may have
/// applied some a moment ago.
pub(super) async fn apply(tx: &mut Tx, component: &'static str, migrations: &'static [Migration]) -> Result<()> {
    tx.lock_migrations().await?;
    for migration in missing(tx, component, migrations).await? {
        let Migration { version, name, sqlite, postgres } = *migration;
        tx.batch(sqlite, postgres).await?;
        let sql = "INSERT INTO fungible_migrations (component, version, name, applied_ms) VALUES ($1, $2, $3, $4)";
        tx.execute(sql, params![component, version, name, now_ms()]).await?;
    }
    Ok(())
}

/// The migrations that the store does not have.
pub(super) async fn missing(
    tx: &mut Tx,
    component: &str,
    known: &'static [Migration],
) -> Result<Vec<&'static Migration>> {
    let sql = "SELECT version, name FROM fungible_migrations WHERE component = $1 ORDER BY version";
    let mut applied = Vec::new();
    for row in tx.query(sql, params![component]).await? {
        let (version, name) = (row.get::<u32>("version")?, row.get::<String>("name")?);
        let newest = known.last().map_or(0, |migration| migration.version);
        if version > newest {
            let store = tx.store_name();
            let component = component.to_owned();
            return Err(StoreError::NewerThanProgram { store, component, found: version, known: newest });
        }
        let ours = known.iter().find(|migration| migration.version == version).map_or("", |migration| migration.name);
        if ours != name {
            let store = tx.store_name();
            let (component, known) = (component.to_owned(), ours.to_owned());
            return Err(StoreError::OtherMigration { store, component, version, found: name, known });
        }
        applied.push(version);
    }
    Ok(known.iter().filter(|migration| !applied.contains(&migration.version)).collect())
}
