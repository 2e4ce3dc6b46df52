use super::*;
use crate::audit::Ledger;
use crate::base::clock::{Clock, from_seconds};
use crate::base::duration::Span;
use crate::base::id::{CaId, CertId, OrgId};
use crate::storage::{Change, Class, Options, Storage, Table};
use crate::x509::serial::Serial;

const NOW: i64 = 1_800_000_000;

fn inventory(dir: &std::path::Path) -> Certificates {
    let options = Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() };
    let storage = Storage::open(dir, options).unwrap().0;
    Certificates::new(storage.clone(), Ledger::new(storage), Clock::manual(from_seconds(NOW)))
}

fn certificate(ca: CaId, number: u8, days: i64) -> StoredCertificate {
    StoredCertificate {
        id: CertId::new(),
        organization: OrgId::DEFAULT,
        project: None,
        ca,
        role: "r".to_owned(),
        request: None,
        key_origin: KeyOrigin::Requester,
        common_name: number.to_string(),
        serial: Serial::from_random([number; 16]),
        not_before: from_seconds(NOW),
        not_after: from_seconds(NOW + days * 86_400),
        created_at: from_seconds(NOW),
        der: vec![number],
    }
}

fn names(inventory: &Certificates, authorities: &[CaId], filter: &Filter, limit: usize) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = inventory.list(authorities, filter, "m", after.as_ref(), limit).unwrap();
        assert!(page.items.len() <= limit);
        names.extend(page.items.into_iter().map(|listed| listed.certificate.common_name));
        after = page.next;
        if after.is_none() {
            return names;
        }
    }
}

#[test]
fn a_list_over_several_authorities_is_in_one_order_and_shows_nothing_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(dir.path());
    let [one, two, other] = [CaId::new(), CaId::new(), CaId::new()];
    for (number, (ca, days)) in (1..).zip([(one, 9), (two, 8), (other, 1), (two, 2), (one, 40), (one, 3), (two, 7)]) {
        let change = add(Change::new(Class::Normal), &certificate(ca, number, days)).unwrap();
        inventory.storage.commit_blocking(change).unwrap();
    }
    let soon = Filter { expiring_within: Some(Span::days(30)), ..Filter::default() };
    for limit in [1, 2, 100] {
        assert_eq!(names(&inventory, &[one, two], &Filter::default(), limit), ["1", "2", "4", "5", "6", "7"], "by age, {limit} a page");
        assert_eq!(names(&inventory, &[one, two], &soon, limit), ["4", "6", "7", "2", "1"], "soonest first, {limit} a page");
        assert_eq!(names(&inventory, &[two], &soon, limit), ["4", "7", "2"]);
    }
    assert_eq!(names(&inventory, &[], &Filter::default(), 1), [] as [&str; 0]);
}

#[tokio::test]
async fn the_index_of_expiry_of_an_earlier_version_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(dir.path());
    let ca = CaId::new();
    let soon = Filter { expiring_within: Some(Span::days(30)), ..Filter::default() };
    for number in 1..=5 {
        let certificate = certificate(ca, number, i64::from(6 - number));
        // As it was: one index for all, with the authority for its value.
        let place = certificates::expiry_key(certificate.not_after, certificate.id);
        let change = add(Change::new(Class::Normal), &certificate).unwrap();
        let change = change.delete(Table::CertificatesByCaExpiry, &[ca.as_bytes().as_slice(), &place].concat());
        inventory.storage.commit(change.put(Table::CertificatesByExpiry, &place, ca.as_bytes())).await.unwrap();
    }
    assert_eq!(names(&inventory, &[ca], &soon, 10), [] as [&str; 0]);
    assert_eq!(bring_up_to_date(&inventory.storage).await.unwrap(), 5);
    assert_eq!(names(&inventory, &[ca], &soon, 10), ["5", "4", "3", "2", "1"]);
    assert_eq!(bring_up_to_date(&inventory.storage).await.unwrap(), 0);
}

/// What was stored before there were organisations: the first variant, with these fields in this order.
#[test]
fn records_of_the_first_version_belong_to_the_default_organization() {
    let serial = Serial::from_random([7; 16]);
    let ends = [&[0][..], &[9; 16], &[1, b'r', 1, b'c', serial.as_bytes().len() as u8], serial.as_bytes(), &[2, 4, 6, 1, 5]].concat();
    let read = record::CertificateRecord::decode(CertId::new(), &ends).unwrap();
    assert_eq!((read.organization, read.project, read.ca), (OrgId::DEFAULT, None, CaId::from_bytes([9; 16])));
    assert_eq!((read.serial, read.not_after.as_second(), read.der), (serial, 2, vec![5]));
}

/// How long an answer takes must not tell one from the other: the same is read for both, down to a record.
#[test]
fn where_there_is_no_certificate_another_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = inventory(dir.path());
    let stranger = OrgId::from_bytes([7; 16]);
    assert!(matches!(inventory.get(stranger, CertId::new()), Ok(None)), "of an empty inventory nothing can be read");
    let theirs = certificate(CaId::new(), 1, 9);
    inventory.storage.commit_blocking(add(Change::new(Class::Normal), &theirs).unwrap()).unwrap();
    let unknown = (CertId::new(), Serial::from_random([9; 16]));
    assert!(inventory.get(stranger, theirs.id).unwrap().is_none() && inventory.by_serial(stranger, &theirs.serial).unwrap().is_none());
    assert!(inventory.get(stranger, unknown.0).unwrap().is_none() && inventory.by_serial(stranger, &unknown.1).unwrap().is_none());
    // A record that cannot be read shows who reads it.
    let spoiled = Change::new(Class::Normal).put(Table::Certificates, theirs.id.as_bytes(), b"no certificate");
    inventory.storage.commit_blocking(spoiled).unwrap();
    assert!(matches!(inventory.get(stranger, theirs.id), Err(InventoryError::Record)));
    assert!(matches!(inventory.get(stranger, unknown.0), Err(InventoryError::Record)));
    assert!(matches!(inventory.by_serial(stranger, &theirs.serial), Err(InventoryError::Record)));
    assert!(matches!(inventory.by_serial(stranger, &unknown.1), Err(InventoryError::Record)));
    // Nor does it end with the one that was read so far.
    let gone = Change::new(Class::Normal).delete(Table::Certificates, theirs.id.as_bytes());
    inventory.storage.commit_blocking(gone).unwrap();
    assert!(matches!(inventory.get(stranger, unknown.0), Ok(None)));
}

/// A key that was kept before keys could be shared: the first variant, with its place alone.
#[test]
fn a_kept_key_of_the_first_version_is_that_of_one() {
    let written = [&[0, 1][..], &[0], b"\x03abc"].concat();
    let place = KeyPlace::Sealed { token: None, value: b"abc".to_vec() };
    assert_eq!(record::KeptKeyRecord::decode(&written), Some((place.clone(), 1)));
    assert_eq!(record::KeptKeyRecord::encode(&place, None).unwrap(), written, "and is written as it was");
    let shared = record::KeptKeyRecord::encode(&place, Some(3)).unwrap();
    assert_eq!(record::KeptKeyRecord::decode(&shared), Some((place, 3)));
}
