use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::address::NotANetwork;
use super::*;

fn policy(allow: &[&str]) -> AddressPolicy {
    AddressPolicy { allow: allow.iter().map(|text| text.parse().unwrap()).collect(), ports: vec![443] }
}

fn verdict(allow: &[&str], address: &str) -> Result<(), AddressFault> {
    policy(allow).check(address.parse().unwrap())
}

#[test]
fn the_public_internet_may_be_dialled() {
    for address in
        ["1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.0.1.1", "223.255.255.255"]
    {
        assert_eq!(verdict(&[], address), Ok(()), "{address}");
    }
    for address in ["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2001:200::1"] {
        assert_eq!(verdict(&[], address), Ok(()), "{address}");
    }
}

#[test]
fn what_is_not_public_needs_a_range_that_holds_it() {
    // The address, and a range that lets it through.
    for (address, range) in [
        ("127.0.0.1", "127.0.0.0/8"),
        ("127.255.255.254", "127.0.0.0/8"),
        ("10.0.0.1", "10.0.0.0/8"),
        ("172.16.0.1", "172.16.0.0/12"),
        ("172.31.255.255", "172.16.0.0/12"),
        ("192.168.1.1", "192.168.0.0/16"),
        ("100.64.0.1", "100.64.0.0/10"),
        ("198.18.0.1", "198.18.0.0/15"),
        ("0.0.0.0", "0.0.0.0/32"),
        ("255.255.255.255", "255.255.255.255/32"),
        ("224.0.0.1", "224.0.0.0/4"),
        ("192.0.2.1", "192.0.2.0/24"),
        ("::1", "::1/128"),
        ("::", "::/128"),
        ("fd12::1", "fd00::/8"),
        ("fc00::1", "fc00::/7"),
        ("ff02::1", "ff00::/8"),
        ("2001:db8::1", "2001:db8::/32"),
        ("fec0::1", "fec0::/10"),
        ("4000::1", "4000::/3"),
        ("64:ff9b:1::7f00:1", "64:ff9b:1::/48"),
        // The embedded address is public, and the way to it is still not.
        ("::ffff:1.1.1.1", "::ffff:0:0/96"),
        ("64:ff9b::1.1.1.1", "64:ff9b::/96"),
        ("2002:101:101::1", "2002::/16"),
    ] {
        assert_eq!(verdict(&[], address), Err(AddressFault::NotAllowed(address.parse().unwrap())), "{address}");
        assert_eq!(verdict(&[range], address), Ok(()), "{address} in {range}");
        assert!(verdict(&["203.0.113.0/24", "3fff::/20"], address).is_err(), "{address} is not of another range");
    }
}

#[test]
fn an_embedded_address_needs_leave_as_well() {
    for (address, range) in [
        ("::ffff:127.0.0.1", "::ffff:0:0/96"),
        ("::127.0.0.1", "::/96"),
        ("64:ff9b::10.0.0.1", "64:ff9b::/96"),
        ("2002:7f00:1::1", "2002::/16"),
        // Teredo: the client is 127.0.0.1, inverted.
        ("2001:0:101:101:0:0:80ff:fffe", "2001::/32"),
    ] {
        assert!(verdict(&[range], address).is_err(), "{address}");
        assert_eq!(verdict(&[range, "127.0.0.0/8", "10.0.0.0/8"], address), Ok(()), "{address}");
        // Leave for the inner one alone is none for the outer.
        assert!(verdict(&["127.0.0.0/8", "10.0.0.0/8"], address).is_err(), "{address}");
    }
}

#[test]
fn metadata_and_link_local_addresses_are_never_dialled() {
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "febf::1",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:101:101:0:0:5601:5601",
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(policy(&["0.0.0.0/0", "::/0"]).check(address), Err(AddressFault::Never(address)), "{address}");
    }
}

#[test]
fn ranges_are_read_in_one_spelling() {
    for good in ["10.0.0.0/8", "0.0.0.0/0", "127.0.0.1/32", "::/0", "::1/128", "fd00::/8"] {
        assert_eq!(good.parse::<Network>().unwrap().to_string(), good);
    }
    for bad in ["10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "fd00::/129", "fd00::1/64", "x/8", "10.0.0.0/0008", ""]
    {
        assert_eq!(bad.parse::<Network>(), Err(NotANetwork), "{bad}");
    }
}

#[test]
fn urls_are_read_strictly() {
    for (good, port, target) in [
        ("https://example.com", 443, "/"),
        ("http://example.com/a?b=c", 80, "/a?b=c"),
        ("https://[2606:4700::1]:8443/x", 8443, "/x"),
        ("https://EXAMPLE.com.:1/", 1, "/"),
        ("https://203.0.113.7/", 443, "/"),
        ("https://a_b.example.com?q", 443, "/?q"),
    ] {
        let url: Url = good.parse().unwrap_or_else(|fault| panic!("{good}: {fault}"));
        assert_eq!((url.port, url.target.as_str(), url.as_str()), (port, target, good));
    }
    for bad in [
        "",
        "example.com",
        "/path",
        "ftp://example.com/",
        "https://",
        "https://user:secret@example.com/",
        "https://user@example.com/",
        "https://example.com:0/",
        "https://example.com:/",
        "https://example.com:x/",
        "https://example.com/#fragment",
        "https://example.com\\@evil.example/",
        "https://exa mple.com/",
        "https://ex\u{e4}mple.com/",
        "https://-a.example/",
        "https://a..example/",
        // Other spellings of IPv4 addresses, which the C library would read.
        "https://2130706433/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.01/",
        "https://example.0x7f/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
    ] {
        assert!(bad.parse::<Url>().is_err(), "{bad}");
    }
    assert!(format!("https://example.com/{}", "a".repeat(LONGEST_URL)).parse::<Url>().is_err());
}

#[test]
fn resolvers_are_taken_from_a_resolv_conf() {
    let text = "# made\nsearch example.com\nnameserver 192.0.2.1\nnameserver  2001:db8::1 \nnameserver fe80::1%eth0\noptions ndots:2\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n";
    let wanted = ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"];
    assert_eq!(dns::nameservers(text), wanted.map(|text| text.parse().unwrap()));
    assert!(dns::nameservers("").is_empty());
}

#[test]
fn without_leave_nothing_is_sent() {
    let url: Url = "https://127.0.0.1/".parse().unwrap();
    assert!(matches!(Outbound::disabled().check(&url), Err(OutboundError::Disabled)));
    let resolvers = vec!["127.0.0.1:53".parse().unwrap()];
    let resolver = Resolver::new(resolvers, Vec::new()).unwrap();
    let way = Way { policy: policy(&["127.0.0.0/8"]), resolver, roots: None, unverified: Unverified::new().unwrap() };
    let outbound = Outbound(Some(Arc::new(way)));
    assert!(outbound.check(&url).is_ok());
    assert!(matches!(outbound.check(&"https://127.0.0.1:8443/".parse().unwrap()), Err(OutboundError::Port(8443))));
    assert!(matches!(outbound.check(&"https://10.0.0.1/".parse().unwrap()), Err(OutboundError::Address(AddressFault::NotAllowed(_)))));
}

proptest! {
    /// However an IPv4 address that is never dialled is wrapped, it stays so, and no range opens it.
    #[test]
    fn wrapping_hides_no_metadata_address(a in any::<u8>(), b in any::<u8>()) {
        let inner = Ipv4Addr::new(169, 254, a, b);
        let [w, x, y, z] = inner.octets().map(u16::from);
        let (high, low) = ((w << 8) | x, (y << 8) | z);
        let open = policy(&["0.0.0.0/0", "::/0"]);
        for wrapped in [
            inner.to_ipv6_mapped(),
            inner.to_ipv6_compatible(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0x101, 0x101, 0, 0, !high, !low),
        ] {
            prop_assert!(matches!(open.check(IpAddr::V6(wrapped)), Err(AddressFault::Never(_))), "{wrapped}");
        }
    }

    /// What the standard library knows to be private, loopback or the like is never public here.
    #[test]
    fn nothing_private_is_public(bits in any::<u32>(), long in any::<u128>()) {
        let closed = policy(&[]);
        let address = Ipv4Addr::from_bits(bits);
        let is_special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()
            || address.is_unspecified() || address.is_broadcast() || address.is_documentation();
        prop_assert!(!is_special || closed.check(address.into()).is_err(), "{address}");
        let address = Ipv6Addr::from_bits(long);
        let is_special = address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local() || address.is_multicast()
            || address.is_unspecified() || address.to_ipv4().is_some();
        prop_assert!(!is_special || closed.check(address.into()).is_err(), "{address}");
    }

    /// A range holds exactly the addresses that share its prefix.
    #[test]
    fn a_range_holds_its_addresses(bits in any::<u32>(), other in any::<u32>(), length in 0..=32_u8) {
        let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
        let network: Network = format!("{}/{length}", Ipv4Addr::from_bits(bits & mask)).parse().unwrap();
        prop_assert!(network.contains(Ipv4Addr::from_bits(bits).into()));
        prop_assert_eq!(network.contains(Ipv4Addr::from_bits(other).into()), bits & mask == other & mask);
    }
}

#[test]
fn what_an_organization_is_told_has_no_address_of_the_operators_network() {
    let inside: std::net::IpAddr = "10.1.2.3".parse().unwrap();
    for error in [OutboundError::Address(AddressFault::NotAllowed(inside)), OutboundError::Address(AddressFault::Never(inside))] {
        assert!(error.to_string().contains("10.1.2.3"), "{error}");
        assert_eq!(error.told(), "refused: the address is none that the operator allows to dial");
    }
}
