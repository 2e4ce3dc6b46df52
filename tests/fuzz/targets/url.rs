//! URLs that may be dialled, and networks: what is taken has one meaning.
#![no_main]

use chancery::outbound::{LONGEST_URL, Network, Url};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(url) = text.parse::<Url>() {
        assert!(text.len() <= LONGEST_URL && text.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(url.as_str(), text);
        assert!(url.port() != 0);
        // Nobody is told a password by the part that may be told.
        let origin = url.origin();
        assert!(!origin.contains('@') && origin.starts_with("http"));
        let again: Url = origin.parse().expect("the origin of a URL is one");
        assert_eq!((again.port(), again.is_secure(), again.address()), (url.port(), url.is_secure(), url.address()));
    }
    if let Ok(network) = text.parse::<Network>() {
        assert_eq!(network.to_string().parse::<Network>().ok(), Some(network));
    }
});
