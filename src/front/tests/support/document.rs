//! Compares an answer with the OpenAPI document: status, media type, and each field of the body.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Answer;

/// The document, and which of its answers were seen.
pub struct Document {
    json: Value,
    pub seen: BTreeSet<(String, String)>,
}

impl Document {
    pub fn new() -> Self {
        Self { json: serde_json::to_value(front::openapi()).unwrap(), seen: BTreeSet::new() }
    }

    /// Every (method, path).
    pub fn operations(&self) -> BTreeSet<(String, String)> {
        let paths = self.json["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
            })
            .collect()
    }

    /// Panics when the answer is not one that the document promises.
    pub fn check(&mut self, method: &str, path: &str, answer: &Answer) {
        let place = format!("{method} {path} → {}", answer.status.as_u16());
        let operation = &self.json["paths"][path][method];
        assert!(operation.is_object(), "{place}: not in the document");
        let response = &operation["responses"][answer.status.as_str()];
        assert!(response.is_object(), "{place}: the document does not know this status; {}", answer.text);
        if answer.status.is_success() {
            self.seen.insert((method.to_owned(), path.to_owned()));
        }
        let Some(content) = response["content"].as_object() else {
            assert_eq!(answer.text, "", "{place}: a body where none is documented");
            return;
        };
        let media_type = answer.headers["content-type"].to_str().unwrap().split(';').next().unwrap();
        let schema = content
            .get(media_type)
            .or_else(|| content.get("*/*"))
            .unwrap_or_else(|| panic!("{place}: {media_type} is not documented"));
        if media_type.ends_with("json")
            && let Err(problem) = self.fits(&schema["schema"], &answer.json(), "")
        {
            panic!("{place}: {problem}\n{}", answer.text);
        }
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let found = self.json.pointer(reference.trim_start_matches('#'));
                self.resolve(found.unwrap_or_else(|| panic!("{reference} leads nowhere")))
            }
            None => schema,
        }
    }

    /// The fields that a schema names, those of its parts included.
    fn names(&self, schema: &Value) -> BTreeSet<String> {
        let schema = self.resolve(schema);
        let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| self.names(part));
        own.chain(parts).collect()
    }

    fn fits(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        self.fits_part(schema, value, at)?;
        let names = self.names(schema);
        if let Some(fields) = value.as_object().filter(|_| !names.is_empty()) {
            for name in fields.keys() {
                if !names.contains(name) {
                    return Err(format!("{at}.{name} is not documented"));
                }
            }
        }
        Ok(())
    }

    fn fits_part(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = self.resolve(schema);
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[choice].as_array() {
                let tried: Vec<_> = choices.iter().map(|choice| self.fits(choice, value, at)).collect();
                if tried.iter().all(Result::is_err) {
                    return Err(format!("{at} fits none: {tried:?}"));
                }
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.fits_part(part, value, at)?;
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let fits_kind = |kind: &&str| match *kind {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{at}: unknown type {other}"),
        };
        if !kinds.is_empty() && !kinds.iter().any(fits_kind) {
            return Err(format!("{at} is {value}, documented as {kinds:?}"));
        }
        if value.is_null() {
            return Ok(());
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{at} is {value}, documented as one of {words:?}"));
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                return Err(format!("{at}.{name} is missing"));
            }
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = value.get(name) {
                self.fits(schema, value, &format!("{at}.{name}"))?;
            }
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.fits(&schema["items"], item, &format!("{at}[{index}]"))?;
        }
        Ok(())
    }
}
