//! Members of a resource held as `serde_json::Value`, by JSON pointer (<https://www.rfc-editor.org/rfc/rfc6901>). What is not there,
//! or of another kind, is nothing: no place makes it fail.

use serde_json::Value;

/// The text at that place; empty if there is none.
pub fn text<'v>(value: &'v Value, place: &str) -> &'v str {
    let found = value.pointer(place).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// The items of the list at that place; none if there is none.
pub fn each<'v>(value: &'v Value, place: &str) -> impl Iterator<Item = &'v Value> {
    let items = value.pointer(place).and_then(Value::as_array);
    items.into_iter().flatten()
}

/// Sets a member of an object; anything else stays as it is.
pub fn set(value: &mut Value, name: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), to);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_there_or_of_another_kind_is_nothing() {
        let mut value = json!({ "name": [{ "family": "HILL" }], "active": true });
        assert_eq!(text(&value, "/name/0/family"), "HILL");
        assert_eq!(text(&value, "/name/1/family"), "");
        assert_eq!(text(&value, "/active"), "");
        assert_eq!(each(&value, "/name").count(), 1);
        assert_eq!(each(&value, "/active").chain(each(&value, "/x")).count(), 0);
        set(&mut value, "active", json!(false));
        assert_eq!(value["active"], json!(false));
        let mut list = json!([]);
        set(&mut list, "active", json!(true));
        assert_eq!(list, json!([]));
    }
}
