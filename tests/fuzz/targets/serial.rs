//! Serial numbers, as text and as the content of a DER INTEGER.
#![no_main]

use chancery::x509::serial::Serial;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(serial) = Serial::from_der_content(data) {
        assert_eq!(serial.as_bytes(), data);
        // A text has no room for more octets than a number of that many hexadecimal digits needs.
        assert_eq!(serial.to_string().parse(), Ok(serial));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(serial) = text.parse::<Serial>() {
        assert_eq!(serial.to_string().parse(), Ok(serial));
        assert_eq!(Serial::from_der_content(serial.as_bytes()), Ok(serial));
    }
});
