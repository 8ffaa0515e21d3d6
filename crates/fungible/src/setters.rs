//! Setters of option structs, which have public fields and may get more of them. Knows no options.

/// Adds a setter for each field named.
macro_rules! setters {
    ($options:ident: $($field:ident: $kind:ty),* $(,)?) => {
        impl $options {$(
            #[doc = concat!("Sets the field `", stringify!($field), "`.")]
            #[must_use]
            pub fn $field(mut self, $field: $kind) -> $options {
                self.$field = $field;
                self
            }
        )*}
    };
}
pub(crate) use setters;
