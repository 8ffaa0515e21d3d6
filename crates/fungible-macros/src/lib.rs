//! `#[derive(Stateless)]` of the crate `fungible`, which exports it and says what it is for. Knows syntax only: whether
//! a field is stateless is for the compiler to say, where the code that is written here asks the field.

mod allowed;
mod derive;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

/// Implements `fungible::Stateless` for a type all of whose fields are stateless.
///
/// `#[stateless(allow = "reason")]` on a field leaves that field out; the reason is printed when the program starts.
#[proc_macro_derive(Stateless, attributes(stateless))]
pub fn stateless(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::derive(&input).unwrap_or_else(Error::into_compile_error).into()
}
