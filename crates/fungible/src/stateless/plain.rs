//! Data that cannot change while it is shared, and collections of such data.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::definition::Stateless;
use super::exemptions::Exemptions;

/// Types that contain no exemption.
macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        $(impl $crate::Stateless for $type {
            fn exemptions(&self, _: &mut $crate::Exemptions<'_>) {}
        })*
    };
}
pub(super) use plain;

plain!((), bool, char, str, String, f32, f64);
plain!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);
plain!(NonZero<u8>, NonZero<u16>, NonZero<u32>, NonZero<u64>, NonZero<u128>, NonZero<usize>);
plain!(NonZero<i8>, NonZero<i16>, NonZero<i32>, NonZero<i64>, NonZero<i128>, NonZero<isize>);
plain!(Duration, Instant, SystemTime, Path, PathBuf, uuid::Uuid, serde_json::Value);
plain!(IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6);
plain!(Bytes, HeaderName, HeaderValue, Method, StatusCode, Uri);

impl<T: ?Sized> Stateless for PhantomData<T> {
    fn exemptions(&self, _: &mut Exemptions<'_>) {}
}

// Without a macro, because the compiler shows this impl in each message about a lock behind an `Arc`.
impl<T: Stateless + ?Sized> Stateless for Arc<T> {
    fn exemptions(&self, found: &mut Exemptions<'_>) {
        (**self).exemptions(found);
    }
}

impl<T: Stateless + ?Sized> Stateless for Box<T> {
    fn exemptions(&self, found: &mut Exemptions<'_>) {
        (**self).exemptions(found);
    }
}

impl<T: Stateless + ?Sized> Stateless for &T {
    fn exemptions(&self, found: &mut Exemptions<'_>) {
        (**self).exemptions(found);
    }
}

impl<T: Stateless + ToOwned + ?Sized> Stateless for Cow<'_, T> {
    fn exemptions(&self, found: &mut Exemptions<'_>) {
        (**self).exemptions(found);
    }
}

impl<T: Stateless> Stateless for Option<T> {
    fn exemptions(&self, found: &mut Exemptions<'_>) {
        if let Some(value) = self {
            value.exemptions(found);
        }
    }
}

/// Collections of one type.
macro_rules! collections {
    ($($type:ty $(, $more:ident)*;)*) => {
        $(impl<T: Stateless $(, $more)*> Stateless for $type {
            fn exemptions(&self, found: &mut Exemptions<'_>) {
                for item in self {
                    item.exemptions(found);
                }
            }
        })*
    };
}

collections!([T]; Vec<T>; VecDeque<T>; BTreeSet<T>; HashSet<T, S>, S;);

impl<T: Stateless, const N: usize> Stateless for [T; N] {
    fn exemptions(&self, found: &mut Exemptions<'_>) {
        self.as_slice().exemptions(found);
    }
}

/// Maps. Without a lock around it a shared map cannot change, and a lock has an impl that nothing satisfies.
macro_rules! maps {
    ($($type:ty $(, $more:ident)*;)*) => {
        $(impl<K: Stateless, V: Stateless $(, $more)*> Stateless for $type {
            fn exemptions(&self, found: &mut Exemptions<'_>) {
                for (key, value) in self {
                    key.exemptions(found);
                    value.exemptions(found);
                }
            }
        })*
    };
}

maps!(BTreeMap<K, V>; HashMap<K, V, S>, S;);

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Stateless),+> Stateless for ($($name,)+) {
            #[expect(non_snake_case, reason = "each part is named like its type")]
            fn exemptions(&self, found: &mut Exemptions<'_>) {
                let ($($name,)+) = self;
                $($name.exemptions(found);)+
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
