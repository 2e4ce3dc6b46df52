use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<String, SerialFault> {
    text.parse::<Serial>().map(|serial| serial.to_string())
}

#[test]
fn a_random_serial_is_positive_and_always_sixteen_octets() {
    for random in [[0; 16], [0xFF; 16], [0x80; 16], *b"0123456789abcdef"] {
        let serial = Serial::from_random(random);
        assert_eq!(serial.as_bytes().len(), 16);
        assert!(matches!(serial.as_bytes()[0], 0x40..=0x7F));
        assert_eq!(serial.as_bytes()[1..], random[1..]);
    }
}

#[test]
fn text_is_read_in_either_case_with_or_without_colons() {
    for text in ["1A:2B:3C", "1a:2b:3c", "1A2B3C", "1a2B3c", "00:1A:2B:3C", "001a2b3c", "0000001A2B3C"] {
        assert_eq!(parse(text).as_deref(), Ok("1A:2B:3C"), "{text}");
    }
    assert_eq!(parse("80").as_deref(), Ok("80"));
    assert_eq!("80".parse::<Serial>().unwrap().as_bytes(), [0, 0x80]);
    assert_eq!("7F".parse::<Serial>().unwrap().as_bytes(), [0x7F]);
    assert_eq!("00".parse::<Serial>().unwrap().as_bytes(), [0]);
    assert_eq!(parse("00:00").as_deref(), Ok("00"));
}

#[test]
fn anything_else_is_refused_with_its_reason() {
    assert_eq!(parse(""), Err(SerialFault::Empty));
    for text in ["1", "123", "1A:2", "1A:2B:3"] {
        assert_eq!(parse(text), Err(SerialFault::HalfOctet), "{text}");
    }
    for text in [
        ":",
        "1A:",
        ":1A",
        "1A::2B",
        "1A:2B3C",
        "1A2B:3C",
        "1:A2",
        "0x1A",
        "+1A",
        " 1A",
        "1A ",
        "1A\n",
        "1G",
        "1A-2B",
        "ä1",
        "1ä",
        "1A:2B:3C:",
        "\u{661}\u{662}",
    ] {
        assert_eq!(parse(text), Err(SerialFault::Character), "{text}");
    }
    assert_eq!(parse(&"7F".repeat(33)), Err(SerialFault::TooLong));
    assert_eq!(parse(&"FF".repeat(32)), Err(SerialFault::TooLong), "the sign needs an octet of its own");
    assert!(parse(&"7F".repeat(32)).is_ok());
    assert!(parse(&"FF".repeat(31)).is_ok());
}

#[test]
fn content_octets_are_minimal() {
    assert_eq!(Serial::from_der_content(&[]), Err(SerialFault::Empty));
    assert_eq!(Serial::from_der_content(&[0xFF, 0x80]), Err(SerialFault::NotMinimal));
    assert_eq!(Serial::from_der_content(&[0, 1]), Err(SerialFault::NotMinimal));
    assert_eq!(Serial::from_der_content(&[1; 33]), Err(SerialFault::TooLong));
    assert_eq!(Serial::from_der_content(&[1; 300]), Err(SerialFault::TooLong));
    assert_eq!(Serial::from_der_content(&[0]).unwrap().to_string(), "00");
    assert_eq!(Serial::from_der_content(&[0, 0x80]).unwrap().to_string(), "80");
}

#[test]
fn negative_numbers_are_kept_and_shown_as_such() {
    let longest = [[0x80].as_slice(), &[0; 31]].concat();
    let cases: [(&[u8], String); 6] = [
        (&[0xFF], "-01".to_owned()),
        (&[0x80], "-80".to_owned()),
        (&[0xFF, 0x7F], "-81".to_owned()),
        (&[0xFF, 0x00], "-01:00".to_owned()),
        (&[0xED, 0xCC], "-12:34".to_owned()),
        (&longest, format!("-80{}", ":00".repeat(31))),
    ];
    for (content, text) in cases {
        let serial = Serial::from_der_content(content).unwrap();
        assert_eq!((serial.to_string(), serial.as_bytes()), (text.clone(), content));
        assert_eq!(text.parse(), Ok(serial));
    }
    assert_eq!("--01".parse::<Serial>(), Err(SerialFault::Character));
    assert_eq!("-".parse::<Serial>(), Err(SerialFault::Empty));
}

#[test]
fn the_order_is_that_of_the_numbers() {
    let texts = ["-01:00", "-FF", "-80", "-7F", "-01", "00", "01", "7F", "80", "FF", "01:00", "7F:FF", "80:00", "FF:FF:FF", "01:00:00:00"];
    let serials: Vec<Serial> = texts.iter().map(|text| text.parse().unwrap()).collect();
    assert!(serials.is_sorted_by(|a, b| a < b));
    assert_eq!(serials.iter().collect::<HashSet<_>>().len(), texts.len());
}

proptest! {
    #[test]
    fn every_serial_comes_back_from_its_text_and_its_octets(random: [u8; 16], length in 1usize..=16) {
        let serial: Serial = hex::encode(&random[..length]).parse().unwrap();
        prop_assert_eq!(serial.to_string().parse(), Ok(serial));
        prop_assert_eq!(Serial::from_der_content(serial.as_bytes()), Ok(serial));
    }

    #[test]
    fn no_text_and_no_octets_panic(text in ".*", near in "[0-9a-fA-F:]{0,120}", octets: Vec<u8>) {
        let _ = text.parse::<Serial>();
        if let Ok(serial) = near.parse::<Serial>() {
            prop_assert_eq!(serial.to_string().parse(), Ok(serial));
        }
        if let Ok(serial) = Serial::from_der_content(&octets) {
            prop_assert_eq!(serial.as_bytes(), octets);
        }
    }
}
