//! Which names are certified: the form of a name, and the rules of a role.

mod forms;
mod refused;
mod requests;
mod rules;

use serde_json::Value;

use crate::appliance::Answer;

/// The messages of a refusal for breach of the role, by field.
#[track_caller]
fn violations(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.refused(400).0, "policy_violation", "{}", answer.text());
    let text = |violation: &Value, key: &str| violation[key].as_str().unwrap().to_owned();
    let problem = answer.json();
    problem["violations"].as_array().unwrap().iter().map(|v| (text(v, "field"), text(v, "message"))).collect()
}

/// That each name is refused in its own field with this in the message, and nothing else is refused.
#[track_caller]
fn assert_violations<'a>(answer: &Answer, wanted: impl IntoIterator<Item = (String, &'a str)>) {
    let found = violations(answer);
    let wanted: Vec<_> = wanted.into_iter().collect();
    assert_eq!(
        found.iter().map(|(field, _)| field).collect::<Vec<_>>(),
        wanted.iter().map(|(field, _)| field).collect::<Vec<_>>(),
        "{found:#?}"
    );
    for ((field, message), (_, part)) in found.iter().zip(&wanted) {
        assert!(message.contains(part), "{field}: {message:?} does not say {part:?}");
    }
}
