//! The document as one page of HTML without scripts: what an administrator reads on a machine with no way out.

use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
h2{margin-top:3rem;border-bottom:2px solid #ccc}h3{margin:2rem 0 .3rem;font:600 1rem ui-monospace,monospace}\
table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #ddd}\
code{font-family:ui-monospace,monospace}.m{display:inline-block;min-width:4.5rem;color:#0b5394}nav a{margin-right:1rem}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}.m{color:#8ab4f8}a{color:#8ab4f8}td,th{border-color:#333}}";

/// The page.
pub fn render(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Chancery API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n<h1>Chancery API {}</h1>\n<p>{}</p>\n\
         <p>The same for programs: <a href=\"/v1/openapi.json\">/v1/openapi.json</a></p>\n",
        escaped(text(document, "/info/version")),
        escaped(text(document, "/info/description")),
    );
    let operations = operations(document);
    let mut tags: Vec<&str> = Vec::new();
    for (_, _, operation) in &operations {
        let tag = text(operation, "/tags/0");
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    page.push_str("<nav>");
    for tag in &tags {
        let _ = write!(page, "<a href=\"#{0}\">{0}</a>", escaped(tag));
    }
    page.push_str("<a href=\"#schemas\">schemas</a></nav>\n");
    for tag in tags {
        let _ = writeln!(page, "<h2 id=\"{0}\">{0}</h2>", escaped(tag));
        operations.iter().filter(|(_, _, operation)| text(operation, "/tags/0") == tag).for_each(|(path, method, operation)| {
            write_operation(&mut page, path, method, operation);
        });
    }
    page.push_str("<h2 id=\"schemas\">schemas</h2>\n");
    for (name, schema) in object(document, "/components/schemas") {
        let _ = writeln!(page, "<h3 id=\"schema-{0}\">{0}</h3><p>{1}</p>", escaped(name), escaped(text(schema, "/description")));
        write_fields(&mut page, schema);
    }
    page.push_str("</body></html>\n");
    page
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = object(document, "/paths");
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().into_iter().flatten().map(move |(method, operation)| (path, method.as_str(), operation))
        })
        .collect()
}

fn write_operation(page: &mut String, path: &str, method: &str, operation: &Value) {
    let scope = operation.pointer("/security/0/token/0").and_then(Value::as_str).unwrap_or("anybody");
    let _ = writeln!(
        page,
        "<h3><span class=\"m\">{}</span> {}</h3><p>{}. Asks for <code>{}</code>.</p>",
        escaped(&method.to_ascii_uppercase()),
        escaped(path),
        escaped(text(operation, "/summary")),
        escaped(scope),
    );
    let parameters = operation.pointer("/parameters").and_then(Value::as_array).into_iter().flatten();
    let rows: Vec<String> = parameters
        .filter(|parameter| text(parameter, "/in") == "query")
        .map(|parameter| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td></tr>",
                escaped(text(parameter, "/name")),
                escaped(text(parameter, "/description"))
            )
        })
        .collect();
    if !rows.is_empty() {
        let _ = writeln!(page, "<table><tr><th>in the query</th><th></th></tr>{}</table>", rows.concat());
    }
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        let _ = writeln!(page, "<p>Body: {}</p>", kind(schema));
    }
    let answers = object(operation, "/responses").map(|(status, answer)| match answer.pointer("/content").and_then(Value::as_object) {
        Some(contents) if !contents.is_empty() => {
            let forms = contents.iter().map(|(media, content)| match content.pointer("/schema/$ref") {
                Some(_) => format!("{} as {}", kind(content.pointer("/schema").unwrap_or(&Value::Null)), escaped(media)),
                None => escaped(media),
            });
            format!("<b>{}</b>: {}", escaped(status), forms.collect::<Vec<_>>().join(", or "))
        }
        _ => escaped(status),
    });
    let _ = writeln!(page, "<p>Answers {}</p>", answers.collect::<Vec<_>>().join(" &middot; "));
}

fn write_fields(page: &mut String, schema: &Value) {
    let required: Vec<&str> =
        schema.pointer("/required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    page.push_str("<table>");
    for (name, field) in object(schema, "/properties") {
        let need = if required.contains(&name) { "required" } else { "" };
        let about = escaped(text(field, "/description"));
        let _ = write!(page, "<tr><td><code>{}</code></td><td>{}</td><td>{need}</td><td>{about}</td></tr>", escaped(name), kind(field));
    }
    page.push_str("</table>\n");
}

/// What a value is, with a link where it has a schema of its own.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema.pointer("/$ref").and_then(Value::as_str) {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(options) = schema.pointer("/anyOf").and_then(Value::as_array) {
        return options.iter().filter(|option| text(option, "/type") != "null").map(kind).collect::<Vec<_>>().join(" or ");
    }
    let names = match schema.pointer("/type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    };
    match (names.first(), schema.pointer("/items")) {
        (Some(&"array"), Some(item)) => format!("list of {}", kind(item)),
        _ => escaped(&names.join(" or ")),
    }
}

fn object<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let fields: Option<&'a Map<String, Value>> = value.pointer(pointer).and_then(Value::as_object);
    fields.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
