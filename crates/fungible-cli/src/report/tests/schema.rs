//! The JSON is what its schema says.

use serde_json::{Value, json};

pub(super) use super::schema_check::violations;

#[test]
fn the_check_can_fail() {
    assert!(!violations(&json!({"schema_version": 1})).is_empty());
    let verdict = super::world::verdict(crate::prove::Judgement::Fungible);
    let good: Value = serde_json::from_str(&crate::report::json(&verdict)).unwrap();
    assert_eq!(violations(&good), Vec::<String>::new());
    for (field, bad) in
        [("verdict", json!("MAYBE")), ("runs", json!("3")), ("more", json!(1)), ("renaming", json!([{}]))]
    {
        let mut value = good.clone();
        value[field] = bad;
        assert!(!violations(&value).is_empty(), "{field}");
    }
}
