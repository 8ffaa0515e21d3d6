//! The attribute that leaves a field out, and its reason.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitStr, Result, Token};

/// What is written for an attribute that says no reason.
const SAY_WHY: &str =
    "say why this may differ between instances and die with one of them: #[stateless(allow = \"reason\")]";

struct Allow {
    word: Ident,
    reason: LitStr,
}

impl Parse for Allow {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let word = input.parse()?;
        input.parse::<Token![=]>()?;
        let reason = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { word, reason })
    }
}

/// The reason why a field is left out, if it is.
pub(crate) fn reason(attributes: &[Attribute]) -> Result<Option<LitStr>> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("stateless")) {
        let allow = attribute.parse_args::<Allow>().ok().filter(|allow| allow.word == "allow");
        let said = allow.filter(|allow| !allow.reason.value().trim().is_empty());
        found = Some(said.ok_or_else(|| Error::new_spanned(attribute, SAY_WHY))?.reason);
    }
    Ok(found)
}

/// Refuses the attribute where it would leave out more than a field.
pub(crate) fn only_on_fields(attributes: &[Attribute]) -> Result<()> {
    match attributes.iter().find(|attribute| attribute.path().is_ident("stateless")) {
        Some(attribute) => Err(Error::new_spanned(attribute, "this goes on a field: each one says its own reason")),
        None => Ok(()),
    }
}
