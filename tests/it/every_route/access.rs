//! How a caller shows who it is.

use super::{World, assert_problem};

#[test]
fn an_authorization_of_another_form_is_refused() {
    let world = World::new();
    let token = world.appliance.admin_token();
    let get = |header: &str| world.appliance.call_raw(None, "GET", "/v1/pki/roles", None, &[header]);
    assert_eq!(get(&format!("Authorization: bearer {token}")).status, 200, "the scheme's case does not matter (RFC 9110, 11.1)");
    for header in [
        format!("Authorization: Basic {token}"),
        format!("Authorization: {token}"),
        format!("Authorization: Bearer {token}x"),
        format!("Authorization: Bearer {}", token.to_uppercase()),
        "Authorization: Bearer".to_owned(),
        "Authorization: Bearer \u{fc}".to_owned(),
        format!("X-Authorization: Bearer {token}"),
        format!("Cookie: token={token}"),
    ] {
        assert_problem(&get(&header), 401, "unauthenticated", &header);
    }
    let in_query = world.appliance.call_raw(None, "GET", &format!("/v1/pki/roles?access_token={token}"), None, &[]);
    assert_problem(&in_query, 401, "unauthenticated", "a token in the query");
}
