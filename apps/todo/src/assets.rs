//! The files of the to-do list that pages refer to.

use fungible_web::Asset;

pub(crate) static ICON: Asset = Asset::new("icon.svg", "image/svg+xml", include_str!("../static/icon.svg"));
pub(crate) static SCRIPT: Asset =
    Asset::new("todo.js", "text/javascript; charset=utf-8", include_str!("../static/todo.js"));
pub(crate) static STYLE: Asset = Asset::new("todo.css", "text/css; charset=utf-8", include_str!("../static/todo.css"));

pub(crate) static ALL: [&Asset; 3] = [&ICON, &SCRIPT, &STYLE];
