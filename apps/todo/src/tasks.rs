//! Tasks in the shared store. Every write may arrive twice, also late and at another instance: it takes effect once. Knows of
//! HTTP only the status of its errors, and does not decide who may see a list.

use axum::http::StatusCode;
use fungible::{OnceError, Row, Stateless, Store, StoreError, Tx, UserId, now_ms, params};
use fungible_web::Problem;
use uuid::Uuid;

/// How many characters a title may have.
pub(crate) const TITLE_MAX: usize = 500;
/// How many tasks a user may have.
pub(crate) const TASKS_MAX: i64 = 1000;
/// How many tombstones are kept for a user: the latest.
const TOMBSTONES_MAX: i64 = 1000;
/// The largest distance of a place from 0: every JSON reader keeps such a number exactly.
pub(crate) const PLACE_MAX: i64 = (1 << 53) - 1;

/// A task as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Task {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) done: bool,
    /// Its place in the list, behind all smaller ones.
    #[serde(skip)]
    pub(crate) place: i64,
}

/// The given fields of a task, when it is added or changed. `None` means unchanged, or the default of a new task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) title: Option<Title>,
    pub(crate) done: Option<bool>,
    pub(crate) place: Option<i64>,
}

impl From<Title> for Said {
    fn from(title: Title) -> Self {
        Self { title: Some(title), ..Self::default() }
    }
}

/// Why a task was not read or written. The messages are for the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error("{0}")]
    Title(&'static str),
    #[error("There is no such task.")]
    NotThere,
    #[error("This task was deleted.")]
    Deleted,
    #[error("Another task was added under this id already.")]
    OtherTitle,
    #[error("You have {TASKS_MAX} tasks, which is the most that fits. Delete one first.")]
    TooMany,
    #[error("{0}")]
    Once(#[from] OnceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        let status = match error {
            TaskError::Store(error) => return error.into(),
            TaskError::Once(ref error) => error.status(),
            TaskError::Title(_) => StatusCode::UNPROCESSABLE_ENTITY,
            TaskError::NotThere => StatusCode::NOT_FOUND,
            TaskError::Deleted => StatusCode::GONE,
            TaskError::OtherTitle | TaskError::TooMany => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

/// One line of 1 to [`TITLE_MAX`] characters; space around it is left out.
#[derive(Debug, Clone)]
pub(crate) struct Title(String);

impl Title {
    pub(crate) fn parse(text: &str) -> Result<Self, TaskError> {
        let title = text.trim();
        if title.is_empty() {
            return Err(TaskError::Title("A task needs a title: type what is to be done."));
        }
        // Space around it counts, too, which makes the rule simple to tell.
        if text.chars().count() > TITLE_MAX {
            return Err(TaskError::Title("The title is too long: it may have 500 characters."));
        }
        if text.chars().any(char::is_control) {
            return Err(TaskError::Title("A title is one line of text, without control characters."));
        }
        Ok(Self(title.to_owned()))
    }
}

/// Whether the task was added now or before.
#[derive(Debug)]
pub(crate) enum Added {
    Now(Task),
    Before(Task),
}

impl Added {
    /// The task, either way.
    pub(crate) fn task(self) -> Task {
        let (Self::Now(task) | Self::Before(task)) = self;
        task
    }
}

/// The tasks of all users; each call is about one user's.
#[derive(Debug, Clone, Stateless)]
pub(crate) struct Tasks {
    store: Store,
}

impl Tasks {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// All tasks in their order: that in which they were added, unless they were given other places.
    pub(crate) async fn list(&self, user: UserId) -> Result<Vec<Task>, TaskError> {
        let sql = "SELECT id, title, done, position FROM tasks WHERE user_id = $1 AND deleted_at IS NULL ORDER BY position, id";
        let rows = self.store.list(sql, params![user]).await?;
        rows.iter().map(task).collect()
    }

    /// One task.
    pub(crate) async fn get(&self, user: UserId, id: Uuid) -> Result<Task, TaskError> {
        let sql = "SELECT id, title, done, position FROM tasks WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL";
        let row = self.store.get(sql, params![user, id]).await?;
        row.as_ref().ok_or(TaskError::NotThere).and_then(task)
    }

    /// Adds a task under the id that the client made. Repeating it with the same id and title succeeds.
    pub(crate) async fn add(&self, user: UserId, id: Uuid, said: Said) -> Result<Added, TaskError> {
        self.store.try_write(async move |tx| add(tx, user, id, &said).await).await
    }

    /// Changes the given fields.
    pub(crate) async fn change(&self, user: UserId, id: Uuid, said: Said) -> Result<Task, TaskError> {
        let Said { title, done, place } = said;
        let title = title.map(|Title(title)| title);
        self.store
            .try_write(async move |tx| {
                let changed = tx
                    .query_opt(
                        "UPDATE tasks SET title = COALESCE($3, title), done = COALESCE($4, done),
                                          position = COALESCE($5, position)
                         WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING id, title, done, position",
                        params![user, id, title.clone(), done, place],
                    )
                    .await?;
                changed.as_ref().ok_or(TaskError::NotThere).and_then(task)
            })
            .await
    }

    /// Leaves a tombstone in place of the task. Deleting it again succeeds.
    pub(crate) async fn delete(&self, user: UserId, id: Uuid) -> Result<(), TaskError> {
        let now = now_ms();
        self.store
            .try_write(async move |tx| {
                let found = tx
                    .execute(
                        "UPDATE tasks SET title = '', added_as = '', deleted_at = COALESCE(deleted_at, $3)
                         WHERE user_id = $1 AND id = $2",
                        params![user, id, now],
                    )
                    .await?;
                if found == 0 {
                    return Err(TaskError::NotThere);
                }
                forget_oldest(tx, user).await
            })
            .await
    }

    /// Leaves a tombstone in place of each task.
    pub(crate) async fn delete_all(&self, user: UserId) -> Result<(), TaskError> {
        let now = now_ms();
        self.store
            .try_write(async move |tx| {
                tx.execute(
                    "UPDATE tasks SET title = '', added_as = '', deleted_at = $2
                     WHERE user_id = $1 AND deleted_at IS NULL",
                    params![user, now],
                )
                .await?;
                forget_oldest(tx, user).await
            })
            .await
    }
}

/// [`Tasks::add`] as part of a transaction. A title must be given.
pub(crate) async fn add(tx: &mut Tx, user: UserId, id: Uuid, said: &Said) -> Result<Added, TaskError> {
    let Said { title, done, place } = said;
    let title = title.as_ref().map_or("", |Title(title)| title);
    let before = tx
        .query_opt(
            "SELECT id, title, done, position, added_as, deleted_at FROM tasks WHERE user_id = $1 AND id = $2",
            params![user, id],
        )
        .await?;
    if let Some(row) = before {
        return added_before(&row, title);
    }
    let live =
        tx.query("SELECT COUNT(*) AS live FROM tasks WHERE user_id = $1 AND deleted_at IS NULL", params![user]).await?;
    if live.first().map(|row| row.get::<i64>("live")).transpose()? >= Some(TASKS_MAX) {
        return Err(TaskError::TooMany);
    }
    // Without a given place it goes behind all others.
    let added = tx
        .query_opt(
            "INSERT INTO tasks (user_id, id, position, title, added_as, done)
             SELECT $1, $2, COALESCE($5, CASE WHEN MAX(position) >= $6 THEN $6 ELSE COALESCE(MAX(position), 0) + 1 END),
                    $3, $3, $4
             FROM tasks WHERE user_id = $1 AND deleted_at IS NULL
             RETURNING id, title, done, position",
            params![user, id, title, done.unwrap_or_default(), *place, PLACE_MAX],
        )
        .await?;
    added.as_ref().ok_or(TaskError::NotThere).and_then(task).map(Added::Now)
}

/// Deletes all tombstones but the latest.
async fn forget_oldest(tx: &mut Tx, user: UserId) -> Result<(), TaskError> {
    tx.execute(
        "DELETE FROM tasks WHERE user_id = $1 AND id IN (
             SELECT id FROM tasks WHERE user_id = $1 AND deleted_at IS NOT NULL
             ORDER BY deleted_at DESC, id LIMIT 1000 OFFSET $2)",
        params![user, TOMBSTONES_MAX],
    )
    .await?;
    Ok(())
}

/// The result of adding a task whose id exists.
fn added_before(row: &Row, title: &str) -> Result<Added, TaskError> {
    if row.get::<Option<i64>>("deleted_at")?.is_some() {
        return Err(TaskError::Deleted);
    }
    if row.get::<String>("added_as")? != title {
        return Err(TaskError::OtherTitle);
    }
    Ok(Added::Before(task(row)?))
}

fn task(row: &Row) -> Result<Task, TaskError> {
    Ok(Task { id: row.get("id")?, title: row.get("title")?, done: row.get("done")?, place: row.get("position")? })
}
