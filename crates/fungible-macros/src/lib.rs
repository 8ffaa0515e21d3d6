//! `#[derive(Stateless)]` for the crate [`fungible`](https://docs.rs/fungible), which exports and documents it. Do not depend on
//! this crate directly.
//!
//! It knows syntax only: whether a field is stateless, the compiler decides where it checks the generated code.

mod allowed;
mod derive;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Implements the trait `fungible::Stateless` for a type whose fields are all stateless.
///
/// `#[stateless(allow = "reason")]` exempts a field from the check. The reason is logged when the program starts.
#[proc_macro_derive(Stateless, attributes(stateless))]
pub fn stateless(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::derive(&input).unwrap_or_else(Error::into_compile_error).into()
}
