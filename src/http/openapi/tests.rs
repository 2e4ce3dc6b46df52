use super::*;

#[test]
fn each_route_is_described_once_and_nothing_else_is() {
    let mut described: Vec<_> = OPERATIONS.iter().map(|operation| (operation.method, operation.path)).collect();
    let mut served: Vec<_> = ROUTES.iter().map(|route| (route.method.as_str(), route.path)).collect();
    described.sort_unstable();
    served.sort_unstable();
    assert_eq!(described, served);
}

#[test]
fn operations_have_names_of_their_own() {
    let mut names: Vec<_> = ROUTES.iter().map(id_of).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

/// Clients are generated from the document: whoever changes it sees here what changes for them. `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_document_is_as_it_was() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/openapi.json");
    let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let before = std::fs::read_to_string(path).unwrap();
    let changed = now.lines().zip(before.lines()).find(|(now, before)| now != before);
    assert!(now == before, "the document changed, first in {changed:?}; UPDATE_GOLDEN=1 accepts it");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn the_page_names_every_endpoint_and_loads_nothing() {
    let page = page::render(&document());
    for route in ROUTES {
        assert!(page.contains(&shown_path(route.path)), "{}", route.path);
    }
    assert!(
        !page.contains("<script") && !page.contains("src=") && !page.contains("http://") && !page.contains("https://"),
        "a page that needs nothing from elsewhere"
    );
}
