//! The types that change while they are shared. Each has an impl of `Stateless` that needs a verdict which nothing
//! gives, so that the compiler answers with the sentence and the remedy of its class.
//!
//! `for<'a>` is why this compiles at all: the compiler refuses a bound that is plainly false, but does not look through
//! one that holds for every lifetime before somebody asks. `Instances` is private, so that nobody else gives a verdict.

use std::cell::{Cell, LazyCell, RefCell, UnsafeCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize,
};
use std::sync::{LazyLock, OnceLock, mpsc as std_mpsc};

use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};

use crate::stateless::{Exemptions, Stateless};

/// All instances of an app. They would have to share what is in a lock, a cell and so on: they do not.
pub(crate) enum Instances {}

/// What would make a lock around a `T` stateless. Nothing does.
#[diagnostic::on_unimplemented(
    message = "`{Lock}` is a lock: what it guards is state of this one instance",
    label = "no other instance sees it, and it is lost when this one is killed",
    note = "keep it in `fungible::Store`, which all instances read and write",
    note = "if it is a copy of what is kept elsewhere, use `fungible::Cache`",
    note = "if it is a way to something that all instances share, put that into `fungible::Handle`"
)]
pub trait ShareLock<'a, Lock: ?Sized, T: ?Sized> {}

/// What would make a map behind a lock stateless. Nothing does.
#[diagnostic::on_unimplemented(
    message = "`{Lock}` is a map behind a lock: what it remembers, only this one instance knows",
    label = "the next request may go to another instance, which finds nothing; a kill loses all of it",
    note = "who is logged in is for `fungible::Sessions`, what was already done for `fungible::Once`, \
            how often somebody did it for `fungible::Limits`, all else for a table in `fungible::Store`",
    note = "if it is a copy of what is kept elsewhere, use `fungible::Cache`"
)]
pub trait ShareMap<'a, Lock: ?Sized> {}

/// What would make an atomic stateless. Nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` is a number or flag of this one instance",
    label = "three instances have three of it, and a kill sets one back to its start",
    note = "a limit is for `fungible::Limits`, an id is a UUID, what must be counted is a row in `fungible::Store`",
    note = "if it only measures this instance or protects it, and decides nothing: \
            `#[stateless(allow = \"reason\")]` on the field"
)]
pub trait ShareAtomic<'a, T: ?Sized> {}

/// What would make a cell stateless. Nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` is filled while the instance runs, by each instance in its own way",
    label = "what is in it depends on the requests that this instance has served, and is lost when it is killed",
    note = "if all instances would fill it alike, work the value out before the router is made, and hold it as it is",
    note = "if it is a copy of what is kept elsewhere, use `fungible::Cache`; all else belongs into `fungible::Store`"
)]
pub trait ShareCell<'a, T: ?Sized> {}

/// What would make a channel stateless. Nothing does.
#[diagnostic::on_unimplemented(
    message = "`{T}` does not lead out of this one instance",
    label = "what is under way in it is lost when the instance is killed, and never reaches another",
    note = "work for later is for `fungible::Jobs`: any instance takes it, and takes it over from one that died",
    note = "what others must learn of is a row in `fungible::Store`, which they read"
)]
pub trait ShareChannel<'a, T: ?Sized> {}

macro_rules! locks {
    ($(#[$attribute:meta])? $lock:ty) => {
        $(#[$attribute])?
        impl<T: ?Sized> Stateless for $lock where for<'a> Instances: ShareLock<'a, Self, T> {
            fn exemptions(&self, _: &mut Exemptions<'_>) {}
        }
    };
}

locks!(std::sync::Mutex<T>);
locks!(#[expect(clippy::disallowed_types, reason = "named in order to be refused")] std::sync::RwLock<T>);
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
        impl<$($part),*> Stateless for $type where for<'a> Instances: $verdict<'a, Self> {
            fn exemptions(&self, _: &mut Exemptions<'_>) {}
        }
    };
}

// One call for each, as the compiler shows the whole call.
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
