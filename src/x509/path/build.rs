//! Looking for paths, depth first and within limits.

use std::collections::HashMap;
use std::rc::Rc;

use super::rules;
use super::{Fault, FaultKind, Inputs, Outcome};
use crate::x509::certificate::Certificate;
use crate::x509::name::ComparableName;

/// One search.
pub(super) struct Search<'a, 'i> {
    inputs: &'i Inputs,
    /// Who may have issued what names an issuer: anchors before intermediates, because a short path is a good path, and what is in time first.
    by_subject: HashMap<ComparableName, Rc<[Candidate<'a>]>>,
    /// Whether the key of the second signed the first; both by where they lie.
    verified: HashMap<(*const u8, *const u8), bool>,
    signatures: u32,
    steps: u32,
    best: Option<(Vec<&'a Certificate>, usize, Vec<Fault>)>,
}

#[derive(Clone, Copy)]
struct Candidate<'a> {
    certificate: &'a Certificate,
    anchor: Option<usize>,
}

impl Candidate<'_> {
    /// How little its key identifier speaks for it as the issuer.
    fn differs(&self, from: &Certificate) -> u8 {
        match (from.authority_key_id(), self.certificate.subject_key_id()) {
            (Some(wanted), Some(has)) if wanted == has => 0,
            (Some(_), Some(_)) => 2,
            _ => 1,
        }
    }
}

impl<'a, 'i> Search<'a, 'i> {
    pub fn new(intermediates: &'a [Certificate], anchors: &'a [Certificate], inputs: &'i Inputs) -> Self {
        let mut by_subject: HashMap<ComparableName, Vec<Candidate<'a>>> = HashMap::new();
        let anchors = anchors.iter().enumerate().map(|(place, certificate)| Candidate { certificate, anchor: Some(place) });
        let others = intermediates.iter().map(|certificate| Candidate { certificate, anchor: None });
        for candidate in anchors.chain(others) {
            by_subject.entry(candidate.certificate.subject().comparable()).or_default().push(candidate);
        }
        let at = inputs.at;
        let likeliest_first = |mut candidates: Vec<Candidate<'a>>| {
            candidates.sort_by_key(|Candidate { certificate, anchor }| {
                (anchor.is_none(), !(certificate.not_before() <= at && at <= certificate.not_after()))
            });
            Rc::from(candidates)
        };
        let by_subject = by_subject.into_iter().map(|(subject, candidates)| (subject, likeliest_first(candidates))).collect();
        let verified = HashMap::new();
        Self { inputs, by_subject, verified, signatures: inputs.limits.signatures, steps: inputs.limits.steps, best: None }
    }

    pub fn run(mut self, certificate: &'a Certificate) -> Outcome<'a> {
        // What is trusted itself needs nobody else's word.
        let itself = self.by_subject.get(&certificate.subject().comparable()).into_iter().flat_map(|candidates| candidates.iter());
        if let Some(place) = itself.filter(|candidate| candidate.certificate == certificate).find_map(|candidate| candidate.anchor) {
            let faults = rules::time_faults(0, certificate, self.inputs.at);
            return Outcome { path: vec![certificate], anchor: Some(place), faults, is_cut_short: false };
        }
        let mut path = vec![certificate];
        self.extend(&mut path);
        let is_cut_short = self.is_spent();
        match self.best {
            Some((path, anchor, faults)) => Outcome { path, anchor: Some(anchor), faults, is_cut_short },
            None => {
                let fault = Fault { place: 0, subject: certificate.subject().to_string(), kind: FaultKind::NoAnchor };
                Outcome { path: vec![certificate], anchor: None, faults: vec![fault], is_cut_short }
            }
        }
    }

    /// Goes on from the last certificate of the path. Returns whether a path without fault was found.
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> bool {
        let Some(last) = path.last().copied() else { return false };
        let Some(all) = self.by_subject.get(&last.issuer().comparable()).cloned() else { return false };
        // Key identifiers that match are likeliest (RFC 5280, 4.2.1.1). In passes, for a list of its own at every step would cost more than
        // the step.
        for candidate in [0, 1, 2].into_iter().flat_map(|wanted| all.iter().filter(move |candidate| candidate.differs(last) == wanted)) {
            if self.is_spent() {
                return false;
            }
            self.steps -= 1;
            let issuer = candidate.certificate;
            // RFC 4158, 5.2: the same name and key twice lead nowhere new.
            let is_loop = path.iter().any(|seen| seen.subject() == issuer.subject() && seen.spki_der() == issuer.spki_der());
            if is_loop || path.len() > self.inputs.limits.intermediates + 1 {
                continue;
            }
            // What the candidate did not sign is on no path. An algorithm that is not accepted is a fault of the path and not its end.
            if last.signature_algorithm().is_some() && issuer.public_key().is_ok() {
                if !self.is_signed(last, issuer) {
                    continue;
                }
            } else {
                // It costs as much as others to follow, and nothing ever ends it: so it counts as a signature.
                self.signatures -= 1;
            }
            path.push(issuer);
            let found = match candidate.anchor {
                Some(anchor) => self.judge(path, anchor),
                None => self.extend(path),
            };
            path.pop();
            if found {
                return true;
            }
        }
        false
    }

    /// Applies the rules to a whole path and keeps it when it is the best so far.
    fn judge(&mut self, path: &[&'a Certificate], anchor: usize) -> bool {
        let faults = rules::apply(path, self.inputs);
        let is_better = self.best.as_ref().is_none_or(|(_, _, known)| weight(&faults) < weight(known));
        let is_good = faults.is_empty();
        if is_better {
            self.best = Some((path.to_vec(), anchor, faults));
        }
        is_good
    }

    fn is_signed(&mut self, certificate: &Certificate, issuer: &Certificate) -> bool {
        let pair = (certificate.der().as_ptr(), issuer.spki_der().as_ptr());
        if let Some(known) = self.verified.get(&pair) {
            return *known;
        }
        if self.signatures == 0 {
            return false;
        }
        self.signatures -= 1;
        let is_signed = issuer.public_key().is_ok_and(|key| certificate.is_signed_by(&key));
        self.verified.insert(pair, is_signed);
        is_signed
    }

    fn is_spent(&self) -> bool {
        self.steps == 0 || self.signatures == 0
    }
}

/// Faults of time weigh less than others: such a path was good once, or will be.
fn weight(faults: &[Fault]) -> (usize, usize) {
    (faults.iter().filter(|fault| !fault.kind.is_about_time()).count(), faults.len())
}
