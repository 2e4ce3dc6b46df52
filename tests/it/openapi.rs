//! The OpenAPI document, as somebody else's program reads it: schemathesis makes requests out of it, good and bad ones, and holds every answer
//! against it.

use std::fmt::Write;
use std::process::Command;

use chancery::http::routes::ROUTES;

use crate::every_route::World;

/// Requests of each endpoint beside those that follow from the document.
const EXAMPLES: &str = "10";

/// Neither a failure of ours, nor an answer the document does not tell of, nor a body that is not as it says. What deletes comes last: it would be
/// missed by the others.
#[test]
fn schemathesis_finds_no_answer_that_is_not_documented() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), parameters(&world)).unwrap();
    for methods in [["--exclude-method", "DELETE"], ["--include-method", "DELETE"]] {
        let run = Command::new("schemathesis")
            .current_dir(folder.path())
            .args(["run", &format!("{}/v1/openapi.json", world.appliance.base_url()), "--tls-verify"])
            .arg(world.appliance.path("ca.pem"))
            .args(["--header", &format!("Authorization: Bearer {}", world.appliance.admin_token())])
            .args(["--max-examples", EXAMPLES, "--phases", "coverage,fuzzing", "--continue-on-failure", "--no-shrink", "--seed", "1"])
            // A handshake may time out on a machine that stalls.
            .args(["--request-retries", "3"])
            // What a name or a PEM has to be is said by the answer and not by the schema. And who shows wrong credentials again and again is
            // told to wait, which the matrix of routes knows.
            .args(["--exclude-checks", "positive_data_acceptance,ignored_auth"])
            // It would end the token that all this is done with.
            .args(["--exclude-path", "/v1/admin/tokens/{id}"])
            .args(methods)
            .output()
            .expect("schemathesis, which `make deps-test` installs");
        let (report, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{report}\n{complaints}");
        // A run that was turned away at the door shows nothing.
        assert!(!report.contains("Authentication failed"), "{report}");
        assert!(report.contains("✅ Coverage") && report.contains("✅ Fuzzing"), "{report}");
    }
}

/// Ids of objects that exist, so that requests come further than 404.
fn parameters(world: &World) -> String {
    let mut text = String::new();
    for route in ROUTES.iter().filter(|route| route.path.contains('{')) {
        let actual = world.path(route);
        let named = route
            .path
            .split('/')
            .zip(actual.split('/'))
            .find_map(|(name, value)| Some((name.strip_prefix('{')?.trim_start_matches('*').strip_suffix('}')?, value)));
        let (name, value) = named.unwrap();
        let _ = writeln!(text, "[[operations]]\ninclude-name = \"{} {}\"", route.method, route.path.replace("{*", "{"));
        let _ = writeln!(text, "[operations.parameters]\n\"path.{name}\" = {value:?}");
    }
    text
}
