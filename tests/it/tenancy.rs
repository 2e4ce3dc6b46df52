//! Several organisations on one appliance, each as if it were alone.

use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};

/// An organisation and a token with every right in it.
struct Tenant<'a> {
    appliance: &'a Appliance,
    id: String,
    token: String,
}

impl<'a> Tenant<'a> {
    fn new(appliance: &'a Appliance, name: &str) -> Self {
        let made = appliance.call("POST", "/v1/admin/organizations", Some(json!({"name": name}))).expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        let body = json!({"name": "first", "scopes": ["pki:admin"], "ttl": "1h", "organization_id": id});
        let token = appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned();
        Self { appliance, id, token }
    }

    fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.appliance.call_as(Some(&self.token), method, path, body)
    }

    fn make(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, Some(body)).expect(201)
    }

    /// An authority and a role under it, called as everybody calls theirs.
    fn authority(&self) -> String {
        let body = json!({"name": "issuing", "common_name": "Issuing", "ca_type": "root", "key_type": "ec"});
        let ca = self.make("/v1/pki/ca", body)["id"].as_str().unwrap().to_owned();
        self.make("/v1/pki/roles", json!({"name": "web", "ca_id": ca, "allowed_domains": ["example.com"], "allow_subdomains": true}));
        ca
    }

    fn issue(&self, name: &str) -> Value {
        self.make("/v1/pki/issue/web", json!({"common_name": format!("{name}.example.com")}))
    }

    fn listed(&self, path: &str) -> Vec<Value> {
        self.call("GET", path, None).expect(200)["data"].as_array().unwrap().clone()
    }
}

fn ids(listed: &[Value]) -> Vec<&str> {
    listed.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[test]
fn two_organizations_may_call_everything_alike_and_see_their_own() {
    let appliance = Appliance::start();
    let tenants = ["one", "two"].map(|name| Tenant::new(&appliance, name));
    let cas = tenants.each_ref().map(Tenant::authority);
    assert_eq!(
        tenants[0]
            .call("POST", "/v1/pki/ca", Some(json!({"name": "issuing", "common_name": "X", "ca_type": "root", "key_type": "ec"})))
            .refused(409)
            .0,
        "name_taken"
    );
    let issued = tenants.each_ref().map(|tenant| ["a", "b", "c"].map(|name| tenant.issue(name)));
    for (tenant, (ca, issued)) in tenants.iter().zip(cas.iter().zip(&issued)) {
        assert_eq!(ids(&tenant.listed("/v1/pki/ca")), [ca]);
        assert_eq!(tenant.listed("/v1/pki/roles").len(), 1);
        assert_eq!(tenant.listed("/v1/pki/roles")[0]["ca_id"], **ca);
        let own: Vec<_> = issued.iter().map(|issued| issued["id"].as_str().unwrap()).collect();
        for query in ["", "?expiring_within=3000h", "?include_revoked=true", &format!("?ca_id={ca}")] {
            assert_eq!(ids(&tenant.listed(&format!("/v1/pki/certificates{query}"))), own, "{query}");
        }
    }
    let theirs = format!("/v1/pki/certificates?ca_id={}", cas[1]);
    assert_eq!(tenants[0].listed(&theirs), [] as [Value; 0]);
    assert_eq!(appliance.call("GET", "/v1/pki/certificates", None).expect(200)["data"], json!([]), "the default organization has none");
    // A cursor belongs to the organisation it was shown to.
    let cursor = tenants[0].call("GET", "/v1/pki/certificates?limit=1", None).expect(200)["cursor"].as_str().unwrap().to_owned();
    let with_cursor = format!("/v1/pki/certificates?limit=1&cursor={cursor}");
    assert_eq!(tenants[0].listed(&with_cursor).len(), 1);
    assert_eq!(tenants[1].call("GET", &with_cursor, None).refused(400).1, ["cursor"]);
    // What relying parties fetch is everybody's.
    for (ca, tenant) in cas.iter().zip(tenants.iter().rev()) {
        assert_eq!(tenant.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).status, 200);
        assert_eq!(appliance.call_as(None, "GET", &format!("/v1/pki/ca/{ca}/crl"), None).status, 200);
    }
}

#[test]
fn nothing_of_another_organization_can_be_used() {
    let appliance = Appliance::start();
    let [one, two] = ["one", "two"].map(|name| Tenant::new(&appliance, name));
    let ca = one.authority();
    two.authority();
    let issued = one.issue("a");
    let below = json!({"name": "below", "common_name": "B", "ca_type": "intermediate", "parent_ca_id": ca, "key_type": "ec"});
    assert_eq!(two.call("POST", "/v1/pki/ca", Some(below.clone())).refused(400).1, ["parent_ca_id"]);
    assert_eq!(two.call("PATCH", "/v1/pki/roles/web", Some(json!({"ca_id": ca}))).refused(400).1, ["ca_id"]);
    let revoke = json!({"serial_number": issued["serial_number"]});
    assert_eq!(two.call("POST", "/v1/pki/revoke", Some(revoke.clone())).refused(404).0, "not_found");
    // Their roots and anchors are not trusted here, and their revocations not told.
    let validate = json!({"certificate_pem": issued["certificate"]});
    let validity =
        |tenant: &Tenant<'_>| tenant.call("POST", "/v1/pki/certificates/validate", Some(validate.clone())).expect(200)["valid"].clone();
    assert_eq!((validity(&one), validity(&two)), (json!(true), json!(false)));
    let root = one.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200)["certificate_pem"].clone();
    let anchor = json!({"name": "of one", "certificate_pem": root});
    two.make("/v1/pki/trust-anchors", anchor.clone());
    assert_eq!(validity(&two), json!(true), "trusted by their own decision");
    one.make("/v1/pki/trust-anchors", anchor);
    one.make("/v1/pki/ca", below);
    one.call("POST", "/v1/pki/revoke", Some(revoke)).expect(200);
    assert_eq!(one.listed("/v1/pki/certificates").len(), 1, "only the authority's");
    // A right on an authority of others cannot be given, and neither can a place among them.
    let grant = json!({"name": "x", "scopes": [format!("create_cert@{ca}")], "ttl": "1h"});
    assert_eq!(two.call("POST", "/v1/admin/tokens", Some(grant)).refused(400).1, ["scopes[0]"]);
    let user = one.make("/v1/admin/users", json!({"name": "u", "role": "user"}));
    let of_user = json!({"name": "x", "scopes": ["pki:read"], "ttl": "1h", "user_id": user["id"]});
    assert_eq!(two.call("POST", "/v1/admin/tokens", Some(of_user)).refused(400).1, ["user_id"]);
    let among = json!({"name": "x", "scopes": ["pki:read"], "ttl": "1h", "organization_id": one.id});
    assert_eq!(two.call("POST", "/v1/admin/tokens", Some(among)).refused(400).1, ["organization_id"]);
    let system = json!({"name": "x", "scopes": ["system"], "ttl": "1h"});
    assert_eq!(two.call("POST", "/v1/admin/tokens", Some(system)).refused(400).1, ["scopes[0]"]);
    assert_eq!(two.call("PATCH", &format!("/v1/admin/organizations/{}", two.id), Some(json!({"name": "one"}))).refused(403).0, "forbidden");
    // The audit trail of each tells of it alone.
    for tenant in [&one, &two] {
        let trail = tenant.listed("/v1/admin/audit?limit=1000");
        assert!(trail.len() > 5 && trail.iter().all(|entry| entry["organization_id"] == *tenant.id), "{trail:?}");
    }
    let whole = appliance.trail();
    let published = whole.iter().find(|entry| entry["action"] == "crl.publish").expect("a CRL");
    assert!([&one.id, &two.id].iter().any(|id| published["organization_id"] == **id), "{published}");
    assert!(whole.iter().any(|entry| entry["action"] == "daemon.start" && entry.get("organization_id").is_none()));
}

#[test]
fn certificates_are_booked_on_the_project_of_the_token() {
    let appliance = Appliance::start();
    let tenant = Tenant::new(&appliance, "one");
    tenant.authority();
    let project = tenant.make("/v1/admin/projects", json!({"name": "p", "description": "d"}));
    let body = json!({"name": "t", "scopes": ["pki:issue"], "ttl": "1h", "project_id": project["id"]});
    let made = tenant.make("/v1/admin/tokens", body);
    assert_eq!(made["project_id"], project["id"]);
    let token = made["token"].as_str();
    let body = json!({"common_name": "a.example.com"});
    let issued = appliance.call_as(token, "POST", "/v1/pki/issue/web", Some(body)).expect(201);
    let shown = tenant.call("GET", &format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap()), None).expect(200);
    assert_eq!(shown["project_id"], project["id"]);
    assert!(
        tenant
            .call("GET", &format!("/v1/pki/certificates/{}", tenant.issue("b")["id"].as_str().unwrap()), None)
            .expect(200)
            .get("project_id")
            .is_none()
    );
    let path = format!("/v1/admin/projects/{}", project["id"].as_str().unwrap());
    assert_eq!(tenant.call("DELETE", &path, None).status, 204);
    assert_eq!(appliance.call_as(token, "GET", "/v1/pki/roles", None).refused(401).0, "unauthenticated");
}

#[test]
fn all_of_it_outlives_a_restart_and_an_organization_that_owns_nothing_can_go() {
    let mut appliance = Appliance::start();
    let dir = appliance.dir().to_owned();
    let (id, token, ca) = {
        let tenant = Tenant::new(&appliance, "one");
        let ca = tenant.authority();
        tenant.issue("a");
        (tenant.id, tenant.token, ca)
    };
    appliance.kill();
    let again = Appliance::start_in(&dir);
    let tenant = Tenant { appliance: &again, id, token };
    assert_eq!(ids(&tenant.listed("/v1/pki/ca")), [&ca]);
    assert_eq!(tenant.listed("/v1/pki/certificates").len(), 1);
    tenant.issue("b");
    let path = |id: &str| format!("/v1/admin/organizations/{id}");
    assert_eq!(again.call("DELETE", &path(&tenant.id), None).refused(409).0, "organization_in_use");
    let empty = Tenant::new(&again, "empty");
    assert_eq!(again.call("DELETE", &path(&empty.id), None).status, 204);
    assert_eq!(empty.call("GET", "/v1/pki/roles", None).refused(401).0, "unauthenticated");
    assert_eq!(again.call("DELETE", &path("org_00000000000000000000000000000001"), None).refused(409).0, "default_organization");
    let own = again.call("GET", &path("org_00000000000000000000000000000001"), None).expect(200);
    assert_eq!((&own["name"], &own["allow_self_approval"]), (&json!("default"), &json!(true)));
}
