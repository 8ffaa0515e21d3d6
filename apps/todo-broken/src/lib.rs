//! The to-do list that is wrong on purpose.
