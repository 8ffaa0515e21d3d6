//! The two pages of the broken to-do list. They know what to show, not where it is kept.

use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::{App, Session, Task};

/// The stylesheet of the right to-do list, so that both look alike.
pub(crate) async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css")],
        concat!(include_str!("../../web/static/base.css"), include_str!("../../todo/static/todo.css")),
    )
}

fn page(app: &App, content: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>To-do, broken</title><link rel=stylesheet href=/todo.css><main>{content}</main>\
         <footer>answered by <b>{}</b></footer></html>",
        escape(&app.instance)
    ))
}

pub(crate) fn login(app: &App, message: &str) -> Html<String> {
    let content = format!(
        "<h1>Log in</h1><p role=alert class=error>{message}</p><form method=post action=/login class=card>\
         <label>Name <input name=name required></label>\
         <label>Password <input name=password type=password required></label><button>Log in</button></form>"
    );
    page(app, &content)
}

pub(crate) fn tasks(my: &Session) -> Html<String> {
    let items: String = my.tasks().iter().map(item).collect();
    let content = format!(
        "<h1>Tasks of {}</h1><form method=post action=/tasks class=add><input name=title aria-label='New task' required>\
         <button>Add</button></form><ul class=tasks>{items}</ul>\
         <form method=post action=/logout><button class=quiet>Log out</button></form>",
        escape(&my.name)
    );
    page(&my.app, &content)
}

fn item(Task { id, title, done }: &Task) -> String {
    let (id, title) = (escape(id), escape(title));
    let (class, other) = if *done { ("done", "false") } else { ("", "true") };
    format!(
        "<li class='task {class}'><form method=post action='/tasks/{id}/done'><input type=hidden name=done value={other}>\
         <button class=tick aria-label='Tick {title}'><span>✓</span></button></form><span class=title>{title}</span>\
         <form method=post action='/tasks/{id}/delete'><button class=quiet>Delete</button></form></li>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;").replace('"', "&quot;")
}
