//! What the pages and the API of all apps have in common: login, errors, the frame of pages, headers, the log.
//!
//! | file | what it does |
//! |---|---|
//! | `problem` | a refusal: status and sentence |
//! | `assets` | files under addresses with their hash |
//! | `notice` | the message after a redirect |
//! | `access` | registering, logging in and out, for pages and API alike |
//! | `address` | the address under which a client sees the service |
//! | `site` | what an app tells the pages here |
//! | `extract` | what handlers take from a request |
//! | `frame` | the frame of a page |
//! | `account` | the pages around the session |
//! | `pages` | the routes of these pages, and the error page |
//! | `api` | the same as JSON |
//! | `openapi` | the description of the API |
//! | `answers` | what every response has |
//! | `program` | the log, and the last line of a program that cannot go on |

mod access;
mod account;
mod address;
pub mod answers;
pub mod api;
mod assets;
mod extract;
mod frame;
mod notice;
pub mod openapi;
pub mod pages;
mod problem;
pub mod program;
mod site;

pub use access::{Access, Credentials, PasswordChange, Refresh};
pub use account::log_in_first;
pub use address::Origin;
pub use assets::Asset;
pub use extract::{Caller, CameFrom, FormBody, IdInPath, JsonBody, LoggedIn, given};
pub use frame::{Frame, home, page};
pub use notice::Notice;
pub use problem::Problem;
pub use site::{Carried, Site};
