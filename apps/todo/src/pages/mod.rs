//! The pages of the to-do list: rendered here, complete without script. Knows what a page shows; what is true, it asks.

pub(crate) mod links;
pub(crate) mod tasks;

use axum::response::{IntoResponse as _, Redirect, Response};
use fungible::Account;
use fungible_web::{Access, Asset, Carried, Notice, Site};

use crate::app::App;
use crate::assets;

pub(crate) const ADDED: Notice = Notice::new("added", "The task is added.");
pub(crate) const TICKED: Notice = Notice::new("ticked", "The task is ticked.");
pub(crate) const UNTICKED: Notice = Notice::new("unticked", "The task is no longer ticked.");
pub(crate) const RENAMED: Notice = Notice::new("renamed", "The task is renamed.");
pub(crate) const DELETED: Notice = Notice::new("deleted", "The task is deleted.");
pub(crate) const LINK_MADE: Notice = Notice::new("linked", "The link is made. It is below.");
pub(crate) const LINK_ENDED: Notice = Notice::new("unlinked", "The link has ended. It opens nothing any more.");

impl Site for App {
    type Draft = tasks::Draft;

    const NAME: &'static str = "To-do";
    const HOME: &'static str = "Tasks";
    const NOTICES: &'static [Notice] = &[ADDED, TICKED, UNTICKED, RENAMED, DELETED, LINK_MADE, LINK_ENDED];
    const ICON: &'static Asset = &assets::ICON;
    const STYLE: &'static Asset = &assets::STYLE;

    fn access(&self) -> &Access {
        &self.access
    }

    fn instance(&self) -> &str {
        &self.instance
    }

    fn carried(draft: &tasks::Draft) -> Carried {
        draft.carried()
    }

    async fn arrived(&self, account: Account, draft: tasks::Draft, notice: Notice) -> Response {
        match draft.task() {
            None => Redirect::to(&notice.on("/")).into_response(),
            Some(task) => {
                let added = tasks::add_for(self, account.id, account.name, task).await;
                added.unwrap_or_else(axum::response::IntoResponse::into_response)
            }
        }
    }
}
