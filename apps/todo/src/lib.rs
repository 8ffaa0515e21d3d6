//! The reference to-do list.
