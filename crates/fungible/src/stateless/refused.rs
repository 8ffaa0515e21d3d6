//! The types that change while they are shared. Each has an impl of `Stateless` with a bound that nothing satisfies, so that
//! the compiler prints the message of its class: what is wrong, and what to use instead.
//!
//! The bounds need `for<'a>`: the compiler rejects an impl whose bound is plainly false, but checks one over all lifetimes
//! only where the impl is used. `Instances` is private, so that no other crate can satisfy the bounds.

use std::cell::{Cell, LazyCell, RefCell, UnsafeCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};
use std::sync::{LazyLock, OnceLock, mpsc as std_mpsc};

use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};

use super::definition::Stateless;
use super::exemptions::Exemptions;

/// All instances of an app. They do not share the content of a lock, a cell and so on.
pub(crate) enum Instances {}

/// Would make a lock around a `T` stateless. Nothing implements it.
#[diagnostic::on_unimplemented(
    message = "`{Lock}` is a lock: what it guards is state of one instance",
    label = "no other instance sees it, and it is lost when this instance is killed",
    note = "keep it in `fungible::Store`, which all instances read and write",
    note = "if it is a copy of what is stored elsewhere, use `fungible::Cache`",
    note = "if it is a client of something that all instances share, put it into a `fungible::Handle`"
)]
pub trait ShareLock<'a, Lock: ?Sized, T: ?Sized> {}

/// Would make a map behind a lock stateless. Nothing implements it.
#[diagnostic::on_unimplemented(
    message = "`{Lock}` is a map behind a lock: only this instance has its content",
    label = "the next request may go to another instance, which has none of it; a kill loses all of it",
    note = "use `fungible::Sessions` for logins, `fungible::Once` for effects that must not happen twice, \
            `fungible::Limits` for rate limits, and a table in `fungible::Store` for the rest",
    note = "if it is a copy of what is stored elsewhere, use `fungible::Cache`"
)]
pub trait ShareMap<'a, Lock: ?Sized> {}

/// Would make an atomic stateless. Nothing implements it.
#[diagnostic::on_unimplemented(
    message = "`{T}` is a number or flag of one instance",
    label = "each instance has its own, and a restart resets it",
    note = "use `fungible::Limits` for limits, a UUID for ids, and a row in `fungible::Store` for counts",
    note = "if it only measures or protects this instance and decides nothing, put \
            `#[stateless(allow = \"reason\")]` on the field"
)]
pub trait ShareAtomic<'a, T: ?Sized> {}

/// Would make a cell stateless. Nothing implements it.
#[diagnostic::on_unimplemented(
    message = "`{T}` is filled while the instance runs, so each instance has its own content",
    label = "its content depends on the requests that this instance has served, and is lost when it is killed",
    note = "if all instances would fill it alike, compute the value before the router is made, and hold the value",
    note = "if it is a copy of what is stored elsewhere, use `fungible::Cache`; else use `fungible::Store`"
)]
pub trait ShareCell<'a, T: ?Sized> {}

/// Would make a channel stateless. Nothing implements it.
#[diagnostic::on_unimplemented(
    message = "`{T}` does not lead out of this instance",
    label = "what is in it is lost when the instance is killed, and never reaches another instance",
    note = "use `fungible::Jobs` for background work: any instance runs it, and takes it over after a crash",
    note = "use a row in `fungible::Store` for what other instances must learn"
)]
pub trait ShareChannel<'a, T: ?Sized> {}

macro_rules! locks {
    ($(#[$attribute:meta])? $lock:ty) => {
        $(#[$attribute])?
        #[doc(hidden)]
        impl<T: ?Sized> Stateless for $lock where for<'a> Instances: ShareLock<'a, Self, T> {
            fn exemptions(&self, _: &mut Exemptions<'_>) {}
        }
    };
}

locks!(std::sync::Mutex<T>);
locks!(#[expect(clippy::disallowed_types, reason = "it is named to be refused")] std::sync::RwLock<T>);
locks!(tokio::sync::Mutex<T>);
locks!(tokio::sync::RwLock<T>);

macro_rules! maps {
    ($($type:ty, $($part:ident)*;)*) => {
        $(impl<'a, L, $($part),*> ShareLock<'a, L, $type> for Instances where Self: ShareMap<'a, L> {})*
    };
}

maps!(HashMap<K, V, S>, K V S; BTreeMap<K, V>, K V; HashSet<K, S>, K S; BTreeSet<K>, K;);

macro_rules! refused {
    ($verdict:ident: $type:ty $(, $part:ident)*) => {
        #[doc(hidden)]
        impl<$($part),*> Stateless for $type where for<'a> Instances: $verdict<'a, Self> {
            fn exemptions(&self, _: &mut Exemptions<'_>) {}
        }
    };
}

// One call for each, because the compiler shows the whole call.
refused!(ShareAtomic: AtomicBool);
refused!(ShareAtomic: AtomicI8);
refused!(ShareAtomic: AtomicI16);
refused!(ShareAtomic: AtomicI32);
refused!(ShareAtomic: AtomicI64);
refused!(ShareAtomic: AtomicIsize);
refused!(ShareAtomic: AtomicU8);
refused!(ShareAtomic: AtomicU16);
refused!(ShareAtomic: AtomicU32);
refused!(ShareAtomic: AtomicU64);
refused!(ShareAtomic: AtomicUsize);
refused!(ShareAtomic: AtomicPtr<T>, T);
refused!(ShareAtomic: Semaphore);

refused!(ShareCell: Cell<T>, T);
refused!(ShareCell: RefCell<T>, T);
refused!(ShareCell: UnsafeCell<T>, T);
refused!(ShareCell: std::cell::OnceCell<T>, T);
refused!(ShareCell: LazyCell<T, F>, T, F);
refused!(ShareCell: OnceLock<T>, T);
refused!(ShareCell: LazyLock<T, F>, T, F);
refused!(ShareCell: tokio::sync::OnceCell<T>, T);

refused!(ShareChannel: std_mpsc::Sender<T>, T);
refused!(ShareChannel: std_mpsc::SyncSender<T>, T);
refused!(ShareChannel: std_mpsc::Receiver<T>, T);
refused!(ShareChannel: mpsc::Sender<T>, T);
refused!(ShareChannel: mpsc::Receiver<T>, T);
refused!(ShareChannel: mpsc::UnboundedSender<T>, T);
refused!(ShareChannel: mpsc::UnboundedReceiver<T>, T);
refused!(ShareChannel: broadcast::Sender<T>, T);
refused!(ShareChannel: broadcast::Receiver<T>, T);
refused!(ShareChannel: watch::Sender<T>, T);
refused!(ShareChannel: watch::Receiver<T>, T);
refused!(ShareChannel: oneshot::Sender<T>, T);
refused!(ShareChannel: oneshot::Receiver<T>, T);
refused!(ShareChannel: Notify);
refused!(ShareChannel: tokio::sync::Barrier);
refused!(ShareChannel: std::sync::Barrier);
refused!(ShareChannel: std::sync::Condvar);
refused!(ShareChannel: tokio::task::JoinHandle<T>, T);
refused!(ShareChannel: std::thread::JoinHandle<T>, T);
