//! Path validation: what strangers' certificates say of names and policies, over one, two or three certificates that need no good signature to
//! be read. Each certificate is mutated by itself.
#![no_main]

use chancery::x509::certificate::Certificate;
use chancery::x509::path::{Inputs, judge, validate};
use chancery::x509::tlv::Reader;
use chancery_fuzz::mutate_der;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate_der(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let (mut rest, mut path) = (Reader::new(data), Vec::new());
    while path.len() < 4 {
        let Ok(element) = rest.read() else { break };
        let Ok(certificate) = Certificate::from_der(element.whole) else { break };
        path.push(certificate);
    }
    let Some((leaf, above)) = path.split_first() else { return };
    let at = leaf.not_before();
    let inputs = Inputs { policies: Some(Vec::new()), explicit_policy: true, ..Inputs::at(at) };
    for inputs in [&Inputs::at(at), &inputs] {
        // In the order given, as if each had signed the one before it: the rules are reached whatever the signatures are.
        let faults = judge(&path.iter().collect::<Vec<_>>(), inputs);
        assert!(faults.iter().all(|fault| fault.place < path.len()));
        let _ = faults.iter().map(ToString::to_string).collect::<String>();
        let outcome = validate(leaf, above, above, inputs);
        assert!(!outcome.is_valid() || !outcome.is_cut_short || outcome.anchor.is_some());
        assert!(outcome.path.first() == Some(&leaf));
    }
});
