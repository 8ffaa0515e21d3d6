//! The attribute that exempts a field from the check, and its reason.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitStr, Result, Token};

/// The error for an attribute without a reason.
const SAY_WHY: &str =
    "give the reason why this may differ between instances and be lost with one: #[stateless(allow = \"reason\")]";

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

/// The reason why a field is exempt, if it is.
pub(crate) fn reason(attributes: &[Attribute]) -> Result<Option<LitStr>> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("stateless")) {
        let allow = attribute.parse_args::<Allow>().ok().filter(|allow| allow.word == "allow");
        let said = allow.filter(|allow| !allow.reason.value().trim().is_empty());
        found = Some(said.ok_or_else(|| Error::new_spanned(attribute, SAY_WHY))?.reason);
    }
    Ok(found)
}

/// Refuses the attribute where it would exempt more than a field.
pub(crate) fn only_on_fields(attributes: &[Attribute]) -> Result<()> {
    match attributes.iter().find(|attribute| attribute.path().is_ident("stateless")) {
        Some(attribute) => {
            Err(Error::new_spanned(attribute, "put this on a field: each exempt field needs its own reason"))
        }
        None => Ok(()),
    }
}
