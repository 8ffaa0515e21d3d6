//! The messages after the redirects of these pages.

use fungible_web::Notice;

pub(super) const ADDED: Notice = Notice::new("added", "The task is added.");
pub(super) const TICKED: Notice = Notice::new("ticked", "The task is ticked.");
pub(super) const UNTICKED: Notice = Notice::new("unticked", "The task is no longer ticked.");
pub(super) const RENAMED: Notice = Notice::new("renamed", "The task is renamed.");
pub(super) const DELETED: Notice = Notice::new("deleted", "The task is deleted.");
pub(super) const LINK_MADE: Notice = Notice::new("linked", "The link is made. It is below.");
pub(super) const LINK_ENDED: Notice = Notice::new("unlinked", "The link has ended. It opens nothing any more.");

pub(super) const ALL: [Notice; 7] = [ADDED, TICKED, UNTICKED, RENAMED, DELETED, LINK_MADE, LINK_ENDED];
