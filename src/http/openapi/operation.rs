//! What the document says of one endpoint beyond what its route says.

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// One endpoint: its route by method and path, and what goes in and comes out.
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    /// One line that begins with a verb.
    pub summary: &'static str,
    pub query: &'static [Parameter],
    /// The JSON body; None for an endpoint that reads none.
    pub body: Option<Body>,
    pub answers: &'static [Answer],
    /// Statuses of refusals beyond those that follow from the route.
    pub problems: &'static [u16],
}

/// A parameter of the query.
#[derive(Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub description: &'static str,
    /// Its JSON Schema type: `string`, `integer` or `boolean`.
    pub kind: &'static str,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub struct Body {
    pub schema: SchemaOf,
    /// Whether it may be left out.
    pub optional: bool,
}

/// An answer that is no refusal.
#[derive(Clone, Copy)]
pub struct Answer {
    pub status: u16,
    pub contents: &'static [Content],
}

/// One form of an answer.
#[derive(Clone, Copy)]
pub enum Content {
    Json(SchemaOf),
    /// Another media type; whether it is one text.
    Other {
        media_type: &'static str,
        is_text: bool,
    },
}

/// Makes the schema of a wire type, and enters it with all it is made of into the document's components.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a wire type.
pub const fn of<T: JsonSchema>() -> SchemaOf {
    SchemaGenerator::subschema_for::<T>
}

impl Operation {
    pub const fn get(path: &'static str, summary: &'static str, answers: &'static [Answer]) -> Self {
        Self::new("GET", path, summary, answers)
    }

    pub const fn post(path: &'static str, summary: &'static str, answers: &'static [Answer]) -> Self {
        Self::new("POST", path, summary, answers)
    }

    pub const fn head(path: &'static str, summary: &'static str, answers: &'static [Answer]) -> Self {
        Self::new("HEAD", path, summary, answers)
    }

    pub const fn put(path: &'static str, summary: &'static str, answers: &'static [Answer]) -> Self {
        Self::new("PUT", path, summary, answers)
    }

    pub const fn patch(path: &'static str, summary: &'static str, answers: &'static [Answer]) -> Self {
        Self::new("PATCH", path, summary, answers)
    }

    pub const fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new("DELETE", path, summary, &[Answer { status: 204, contents: &[] }])
    }

    const fn new(method: &'static str, path: &'static str, summary: &'static str, answers: &'static [Answer]) -> Self {
        Self { method, path, summary, query: &[], body: None, answers, problems: &[] }
    }

    /// With a JSON body of that type.
    pub const fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(Body { schema: of::<T>(), optional: false }), ..self }
    }

    /// With a JSON body of that type that may be left out.
    pub const fn optional_body<T: JsonSchema>(self) -> Self {
        Self { body: Some(Body { schema: of::<T>(), optional: true }), ..self }
    }

    pub const fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    pub const fn problems(self, problems: &'static [u16]) -> Self {
        Self { problems, ..self }
    }
}

impl Parameter {
    pub const fn text(name: &'static str, description: &'static str) -> Self {
        Self { name, description, kind: "string" }
    }

    pub const fn integer(name: &'static str, description: &'static str) -> Self {
        Self { name, description, kind: "integer" }
    }

    pub const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self { name, description, kind: "boolean" }
    }
}
