//! Time as certificates and CRLs write it: UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5).
//!
//! Only the one form RFC 5280 allows is read: seconds present, no fraction, `Z`. The end that means "never",
//! 99991231235959Z, lies a day beyond what [`Timestamp`] holds and becomes [`Timestamp::MAX`].

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::tlv::{self, DerFault, Element};

/// Writes a time; a fraction of a second is cut off. Years before 1950 have no form that RFC 5280 allows.
pub fn write_time(out: &mut Vec<u8>, time: Timestamp) -> Result<(), DerFault> {
    let civil = Offset::UTC.to_datetime(time);
    let year = u16::try_from(civil.year()).map_err(|_| DerFault::Value)?;
    let (tag, century) = match year {
        1950..=2049 => (tlv::UTC_TIME, None),
        2050..=9999 => (tlv::GENERALIZED_TIME, Some((year / 100) as i8)),
        _ => return Err(DerFault::Value),
    };
    tlv::write(out, tag, |out| {
        let parts = [(year % 100) as i8, civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()];
        for part in century.into_iter().chain(parts) {
            out.extend([b'0' + part as u8 / 10, b'0' + part as u8 % 10]);
        }
        out.push(b'Z');
    });
    Ok(())
}

/// Writes a time as GeneralizedTime whatever its year, as OCSP does (RFC 6960, 4.2.1) and the invalidity date of a CRL's entry (RFC 5280, 5.3.2); a fraction of a second is cut off.
pub fn write_generalized(out: &mut Vec<u8>, time: Timestamp) -> Result<(), DerFault> {
    let civil = Offset::UTC.to_datetime(time);
    let year = u16::try_from(civil.year()).map_err(|_| DerFault::Value)?;
    tlv::write(out, tlv::GENERALIZED_TIME, |out| {
        let parts = [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()].map(i8::unsigned_abs);
        for part in [(year / 100) as u8, (year % 100) as u8].into_iter().chain(parts) {
            out.extend([b'0' + part / 10, b'0' + part % 10]);
        }
        out.push(b'Z');
    });
    Ok(())
}

/// Reads a UTCTime or GeneralizedTime.
pub fn read_time(element: Element<'_>) -> Result<Timestamp, DerFault> {
    let (century, digits) = match (element.tag, element.content) {
        (tlv::UTC_TIME, [digits @ .., b'Z']) if digits.len() == 12 => {
            let year = pair(digits, 0)?;
            // RFC 5280, 4.1.2.5.1: two digits of 50 and more are of the last century.
            (if year >= 50 { 19 } else { 20 }, digits)
        }
        (tlv::GENERALIZED_TIME, [digits @ .., b'Z']) if digits.len() == 14 => (pair(digits, 0)?, digits.get(2..).ok_or(DerFault::Value)?),
        (tlv::UTC_TIME | tlv::GENERALIZED_TIME, _) => return Err(DerFault::Value),
        _ => return Err(DerFault::Tag),
    };
    let part = |place| pair(digits, place).map(|value| value as i8);
    let year = century * 100 + pair(digits, 0)?;
    let civil = DateTime::new(year, part(1)?, part(2)?, part(3)?, part(4)?, part(5)?, 0).map_err(|_| DerFault::Value)?;
    Ok(TimeZone::UTC.to_timestamp(civil).unwrap_or(Timestamp::MAX))
}

fn pair(digits: &[u8], place: usize) -> Result<i16, DerFault> {
    match digits.get(place * 2..place * 2 + 2) {
        Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => Ok(i16::from(tens - b'0') * 10 + i16::from(ones - b'0')),
        _ => Err(DerFault::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write_time(&mut out, time.parse().unwrap()).unwrap();
        out
    }

    fn read(tag: u8, text: &str) -> Result<Timestamp, DerFault> {
        read_time(Element { tag, content: text.as_bytes(), whole: &[] })
    }

    #[test]
    fn the_form_changes_with_2050() {
        assert_eq!(written("1950-01-01T00:00:00Z"), b"\x17\x0d500101000000Z");
        assert_eq!(written("2049-12-31T23:59:59.9Z"), b"\x17\x0d491231235959Z");
        assert_eq!(written("2050-01-01T00:00:00Z"), b"\x18\x0f20500101000000Z");
        assert!(write_time(&mut Vec::new(), "1949-12-31T23:59:59Z".parse().unwrap()).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        for time in ["1950-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2026-02-28T12:34:56Z", "2050-06-01T01:02:03Z", "9999-12-30T00:00:00Z"]
        {
            let der = written(time);
            assert_eq!(read_time(tlv::Reader::new(&der).read().unwrap()).unwrap(), time.parse::<Timestamp>().unwrap());
        }
    }

    #[test]
    fn a_generalized_time_is_one_in_every_year() {
        for (time, text) in [("1999-12-31T23:59:59Z", &b"19991231235959Z"[..]), ("2051-02-03T04:05:06.7Z", b"20510203040506Z")] {
            let mut out = Vec::new();
            write_generalized(&mut out, time.parse().unwrap()).unwrap();
            assert_eq!((out[0], &out[2..]), (tlv::GENERALIZED_TIME, text));
        }
        assert!(write_generalized(&mut Vec::new(), Timestamp::MIN).is_err());
    }

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(read(tlv::GENERALIZED_TIME, "99991231235959Z"), Ok(Timestamp::MAX));
        for bad in
            ["2601010000Z", "260101000000+0000", "260101000000", "261301000000Z", "260230000000Z", "260101240000Z", "26010100000xZ", ""]
        {
            assert!(read(tlv::UTC_TIME, bad).is_err(), "{bad}");
        }
        for bad in ["20260101000000.5Z", "20260101000000", "202601010000Z"] {
            assert!(read(tlv::GENERALIZED_TIME, bad).is_err(), "{bad}");
        }
        assert!(read(tlv::INTEGER, "260101000000Z").is_err());
    }
}
