//! The pages of the to-do list, which work without script.

pub(crate) mod links;
mod notices;
pub(crate) mod tasks;

use axum::response::{IntoResponse as _, Redirect, Response};
use fungible::Account;
use fungible_web::{Access, Asset, Carried, Notice, Site};

use crate::app::App;
use crate::assets;

impl Site for App {
    type Draft = tasks::Draft;

    const NAME: &'static str = "To-do";
    const HOME: &'static str = "Tasks";
    const NOTICES: &'static [Notice] = &notices::ALL;
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
