//! Writes the impl: each field is checked, or listed as an exemption.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident, quote};
use syn::{Data, DeriveInput, Error, Fields, Ident, Index, Member, Result, Type};

use crate::allowed;

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    allowed::only_on_fields(&input.attrs)?;
    let mut checked = Vec::new();
    let body = match &input.data {
        Data::Struct(data) => {
            let arm = arm(&input.ident, None, &data.fields, &mut checked)?;
            quote!(match self { #arm })
        }
        Data::Enum(data) if data.variants.is_empty() => quote!(match *self {}),
        Data::Enum(data) => {
            let mut arms = TokenStream::new();
            for variant in &data.variants {
                allowed::only_on_fields(&variant.attrs)?;
                arms.extend(arm(&input.ident, Some(&variant.ident), &variant.fields, &mut checked)?);
            }
            quote!(match self { #arms })
        }
        Data::Union(data) => {
            return Err(Error::new_spanned(
                data.union_token,
                "a union cannot be stateless: it is not known which of its fields is in use",
            ));
        }
    };

    // Fields whose types depend on a parameter are checked where the type is used, which takes a bound for each.
    let mut generics = input.generics.clone();
    let parameters: Vec<Ident> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    for field in checked {
        if mentions(field.to_token_stream(), &parameters) {
            generics.make_where_clause().predicates.push(syn::parse_quote!(#field: ::fungible::Stateless));
        }
    }
    let (ident, (impl_generics, type_generics, bounds)) = (&input.ident, generics.split_for_impl());
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics ::fungible::Stateless for #ident #type_generics #bounds {
            fn exemptions(&self, found: &mut ::fungible::Exemptions) {
                #body
            }
        }
    })
}

/// The arm of a `match` for a struct or a variant, which checks each field or lists it as an exemption. Adds the types of
/// the checked fields to `checked`.
fn arm<'a>(
    owner: &Ident,
    variant: Option<&Ident>,
    fields: &'a Fields,
    checked: &mut Vec<&'a Type>,
) -> Result<TokenStream> {
    let owner = variant.map_or_else(|| owner.to_string(), |variant| format!("{owner}::{variant}"));
    let (mut bindings, mut calls) = (TokenStream::new(), TokenStream::new());
    for (at, field) in fields.iter().enumerate() {
        let member = field.ident.clone().map_or_else(|| Member::Unnamed(Index::from(at)), Member::Named);
        let (name, ty) = (member.to_token_stream().to_string(), &field.ty);
        if let Some(reason) = allowed::reason(&field.attrs)? {
            bindings.extend(quote!(#member: _,));
            calls.extend(quote!(found.field(#owner, #name).allow::<#ty>(#reason);));
        } else {
            let binding = format_ident!("field_{at}");
            bindings.extend(quote!(#member: #binding,));
            calls
                .extend(quote!(<#ty as ::fungible::Stateless>::exemptions(#binding, &mut found.field(#owner, #name));));
            checked.push(ty);
        }
    }
    let variant = variant.map(|variant| quote!(::#variant));
    Ok(quote!(Self #variant { #bindings } => { #calls }))
}

/// Whether a type mentions one of the type parameters.
fn mentions(tokens: TokenStream, parameters: &[Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => parameters.contains(&ident),
        TokenTree::Group(group) => mentions(group.stream(), parameters),
        _ => false,
    })
}
