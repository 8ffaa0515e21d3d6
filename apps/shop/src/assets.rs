//! The files of the shop that pages refer to.

use fungible_web::Asset;

pub(crate) static ICON: Asset = Asset::new("icon.svg", "image/svg+xml", include_str!("../static/icon.svg"));
pub(crate) static SCRIPT: Asset =
    Asset::new("order.js", "text/javascript; charset=utf-8", include_str!("../static/order.js"));
pub(crate) static STYLE: Asset = Asset::new("shop.css", "text/css; charset=utf-8", include_str!("../static/shop.css"));

pub(crate) static ALL: [&Asset; 3] = [&ICON, &SCRIPT, &STYLE];
