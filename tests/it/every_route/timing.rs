//! What another organisation owns takes as long as what never was: medians of many requests, by turns, over one connection.

use std::process::Command;

use axum::http::Method;
use chancery::access::Scope;
use chancery::http::routes::Route;

use super::{Names, World, routes, scope};

/// How often each is asked for; the machine stalls, which a median of so many does not feel.
const EACH: usize = 120;
/// What the daemon does for one and not for the other would be seen as this much at least: half of the whole, and what a clock is worth.
const WIDE: f64 = 0.5;
const SLACK: f64 = 0.000_3;

impl World {
    /// The median time to an answer of two paths, in seconds.
    fn medians(&self, token: &str, method: &Method, paths: [&str; 2]) -> [f64; 2] {
        let scratch = tempfile::tempdir().unwrap();
        // Not by HTTP/2: curl 7.88 loses an answer to a request whose body is left unread now and then (RFC 9113, 8.1).
        let mut configuration = format!(
            "silent\nhttp1.1\ncacert = \"{}\"\nheader = \"Authorization: Bearer {token}\"\nwrite-out = \"%{{http_code}} %{{time_pretransfer}} %{{time_starttransfer}}\\n\"\n",
            self.appliance.path("ca.pem").display()
        );
        if *method != Method::GET {
            configuration += &format!("request = \"{method}\"\nheader = \"Content-Type: application/json\"\ndata = \"{{}}\"\n");
        }
        // The first two open the connection and fill the caches.
        for _ in 0..=EACH {
            for path in paths {
                configuration += &format!("url = \"{}{path}\"\noutput = \"/dev/null\"\n", self.appliance.base_url());
            }
        }
        std::fs::write(scratch.path().join("curl"), configuration).unwrap();
        let said = crate::appliance::run(Command::new("curl").arg("--config").arg(scratch.path().join("curl")));
        let times = said.lines().skip(2).map(|line| {
            let mut words = line.split(' ');
            assert_eq!(words.next(), Some("404"), "{paths:?}: {line}");
            let [before, after]: [f64; 2] = [words.next(), words.next()].map(|word| word.unwrap().parse().unwrap());
            after - before
        });
        let times: Vec<_> = times.collect();
        assert_eq!(times.len(), 2 * EACH);
        [0, 1].map(|which| {
            let mut own: Vec<_> = times.iter().skip(which).step_by(2).copied().collect();
            own.sort_by(f64::total_cmp);
            own[EACH / 2]
        })
    }
}

#[test]
fn another_organizations_objects_take_as_long_as_what_never_was() {
    let world = World::new();
    let body = serde_json::json!({"name": "elsewhere"});
    let theirs = world.appliance.call("POST", "/v1/admin/organizations", Some(body)).expect(201);
    let body = serde_json::json!({"name": "timing", "scopes": ["pki:admin"], "ttl": "1h", "organization_id": theirs["id"]});
    let token = world.appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned();
    let nothing = Names::of_nothing();
    // Writes are refused before their body is read; each is in the audit trail, so one of them has to do.
    let is_looked_up = |route: &&Route| {
        let is_chosen = route.method == Method::GET || (route.method == Method::PATCH && route.path == "/v1/pki/certificates/{id}");
        is_chosen && route.path.contains('{') && scope(route).is_some_and(|needed| Scope::PkiAdmin.includes(needed))
    };
    let routes: Vec<_> = routes().filter(is_looked_up).collect();
    assert!(routes.len() >= 8, "the table was looked through");
    let mut wrong = Vec::new();
    for route in routes {
        let (existing, unknown) = (world.names.path(route), nothing.path(route));
        // Once more when the machine stalled in one half of it.
        let found = (0..3).map(|_| world.medians(&token, &route.method, [&existing, &unknown]));
        let mut seen = Vec::new();
        let is_equal = found.inspect(|pair| seen.push(*pair)).any(|[one, other]| (one - other).abs() <= one.min(other) * WIDE + SLACK);
        println!("{} {}: {:?}", route.method, route.path, seen);
        if !is_equal {
            wrong.push(format!("{} {}: {seen:?}", route.method, route.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
