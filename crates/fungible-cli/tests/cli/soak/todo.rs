//! The soak of the to-do list.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use test_basics::Random;

use super::customer::{Customer, Stopped, api, form};
use super::{disturbed, fleet};
use crate::world::Place;

/// A customer who has so many tasks deletes one.
const TASKS: usize = 40;

/// What a list must hold: titles by ids, and whether they are done.
type List = BTreeMap<String, (String, bool)>;

/// What was acknowledged to a customer.
struct Promised {
    name: String,
    list: List,
    deleted: Vec<String>,
}

/// Customers add, tick and delete tasks; in the end the store must hold what they were promised.
pub(super) fn soak(random: Random, length: Duration) {
    let place = Place::new();
    let fleet = fleet(&place, "todo", &[]);
    let promised = disturbed(&fleet, random, length, lives);
    assert!(fleet.ask(&["stop"]).status.success());
    place.is_empty_eventually();

    let store = Connection::open(place.folder.path().join("todo.sqlite")).unwrap();
    let sound: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut all = 0;
    for Promised { name, list, deleted } in promised {
        let stored = stored(&store, &name);
        let live: Vec<_> = stored.iter().filter(|one| !one.deleted).collect();
        let found: List = live.iter().map(|one| (one.id.clone(), (one.title.clone(), one.done))).collect();
        assert_eq!(found, list, "the list of {name}");
        assert_eq!(live.len(), list.len(), "{name} has a task twice: {live:?}");
        for id in &deleted {
            assert!(stored.iter().any(|one| one.deleted && one.id == *id), "the end of {id} of {name}");
        }
        assert_eq!(stored.len(), list.len() + deleted.len(), "{name}: {stored:?}");
        all += stored.len();
    }
    println!("todo: {all} tasks are in the store, each once");
}

/// A row of the table of tasks.
#[derive(Debug)]
struct Stored {
    id: String,
    title: String,
    done: bool,
    deleted: bool,
}

fn stored(store: &Connection, name: &str) -> Vec<Stored> {
    let sql = "SELECT t.id, t.title, t.done, t.deleted_at IS NOT NULL FROM tasks t
               JOIN fungible_users u ON u.id = t.user_id WHERE u.name = ?1";
    let mut rows = store.prepare(sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Stored { id: row.get(0)?, title: row.get(1)?, done: row.get(2)?, deleted: row.get(3)? })
    };
    rows.query_map([name], row).unwrap().map(Result::unwrap).collect()
}

/// Uses the list until the story is over, and then looks at it once more, by the API and by the page.
async fn lives(mut customer: Customer) -> Result<Promised, Stopped> {
    customer.registers().await?;
    customer.logs_in().await?;
    let mut promised = Promised { name: customer.name.clone(), list: List::new(), deleted: Vec::new() };
    while !customer.story.is_over() && !customer.story.has_failed() {
        customer.thinks().await;
        match customer.random.below(100) {
            0..35 if promised.list.len() < TASKS => adds(&mut customer, &mut promised).await?,
            35..60 => ticks(&mut customer, &mut promised).await?,
            60..66 => deletes(&mut customer, &mut promised, false).await?,
            66..68 => customer.logs_in().await?,
            68..84 => looks(&mut customer, &promised.list).await?,
            84..100 => looks_at_the_page(&mut customer, &promised.list).await?,
            _ => deletes(&mut customer, &mut promised, true).await?,
        }
    }
    looks(&mut customer, &promised.list).await?;
    looks_at_the_page(&mut customer, &promised.list).await?;
    Ok(promised)
}

async fn adds(customer: &mut Customer, promised: &mut Promised) -> Result<(), Stopped> {
    let random = &mut customer.random;
    let id = format!("{:08x}-0000-4000-8000-{:012x}", random.below(1 << 32), random.below(1 << 48));
    let title = format!("task-{}-of-{}", promised.list.len() + promised.deleted.len(), promised.name);
    if random.below(2) == 0 {
        let ask = api("PUT", &format!("/api/tasks/{id}"), &json!({ "title": title }));
        let added = customer.writes(ask).await?;
        customer.must([200, 201].contains(&added.status), "adding a task", &added)?;
    } else {
        let added = customer.writes(form("/tasks", &[("id", &id), ("title", &title)])).await?;
        customer.must(added.status == 303, "adding a task by the form", &added)?;
    }
    promised.list.insert(id, (title, false));
    Ok(())
}

/// One of the tasks.
fn any(customer: &mut Customer, list: &List) -> Option<String> {
    let which = customer.random.below(list.len().max(1));
    list.keys().nth(which).cloned()
}

async fn ticks(customer: &mut Customer, promised: &mut Promised) -> Result<(), Stopped> {
    let Some(id) = any(customer, &promised.list) else { return Ok(()) };
    let done = customer.random.below(3) > 0;
    if customer.random.below(2) == 0 {
        let ticked = customer.writes(api("PATCH", &format!("/api/tasks/{id}"), &json!({ "done": done }))).await?;
        customer.must(ticked.status == 200, "ticking a task", &ticked)?;
    } else {
        let ticked = customer.writes(form(&format!("/tasks/{id}/done"), &[("done", &done.to_string())])).await?;
        customer.must(ticked.status == 303, "ticking a task by the form", &ticked)?;
    }
    if let Some(task) = promised.list.get_mut(&id) {
        task.1 = done;
    }
    Ok(())
}

async fn deletes(customer: &mut Customer, promised: &mut Promised, by_form: bool) -> Result<(), Stopped> {
    let Some(id) = any(customer, &promised.list) else { return Ok(()) };
    let (ask, expected) = if by_form {
        (form(&format!("/tasks/{id}/delete"), &[]), 303)
    } else {
        (api("DELETE", &format!("/api/tasks/{id}"), &Value::Null), 204)
    };
    let deleted = customer.writes(ask).await?;
    customer.must(deleted.status == expected, "deleting a task", &deleted)?;
    promised.list.remove(&id);
    promised.deleted.push(id);
    Ok(())
}

/// The API shows exactly what was acknowledged.
async fn looks(customer: &mut Customer, list: &List) -> Result<(), Stopped> {
    let seen = customer.sees_json("/api/tasks").await?;
    let text = |task: &Value, key: &str| task[key].as_str().unwrap().to_owned();
    let tasks = seen["tasks"].as_array().unwrap();
    let found: List =
        tasks.iter().map(|task| (text(task, "id"), (text(task, "title"), task["done"].as_bool().unwrap()))).collect();
    if (found.len(), &found) == (tasks.len(), list) {
        Ok(())
    } else {
        Err(customer.fails(&format!("the list is {tasks:?}, and {list:?} was acknowledged")))
    }
}

/// So does the page, with each title once.
async fn looks_at_the_page(customer: &mut Customer, list: &List) -> Result<(), Stopped> {
    let Some(page) = customer.sees("/").await? else { return Ok(()) };
    let shown = |title: &str| page.matches(&format!("<span class=\"title\">{title}</span>")).count();
    let wrong: Vec<&String> = list.values().map(|(title, _)| title).filter(|title| shown(title) != 1).collect();
    // The template of the page's script is one more.
    if wrong.is_empty() && page.matches("<span class=\"title\">").count() == list.len() + 1 {
        Ok(())
    } else {
        Err(customer.fails(&format!("the page does not show {wrong:?} of {list:?} once, or more: {page}")))
    }
}
