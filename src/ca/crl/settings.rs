//! How the CRLs of one authority are made: what its owner asked for over what the configuration says.

use crate::api::crl::{self as wire, SetCrl};
use crate::api::problem::Violation;
use crate::base::duration::Span;
use crate::inventory::CrlPart;

/// When CRLs are made and how long they are good for, where an authority asks for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct CrlSchedule {
    /// How often a new one is made.
    pub period: Span,
    /// From thisUpdate to nextUpdate.
    pub validity: Span,
}

/// What the owner of an authority asked for. Its default asks for nothing: one full CRL by the configuration's schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrlSettings {
    pub period: Option<Span>,
    pub validity: Option<Span>,
    pub overlap: Option<Span>,
    pub delta: bool,
    pub delta_period: Option<Span>,
    pub shards: u16,
    pub publish_on_revocation: bool,
    pub publish_within: Option<Span>,
}

/// What holds for an authority.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub period: Span,
    pub validity: Span,
    /// A full CRL has a successor at least so long before its end.
    pub overlap: Span,
    /// How often a delta CRL is made; None for never.
    pub delta_period: Option<Span>,
    /// How soon after a revocation a CRL is made; None for in its time.
    pub publish_within: Option<Span>,
}

/// Each shard costs a signature and two open files in every period.
const MOST_SHARDS: u16 = 128;
const DELTA_PERIOD: Span = Span::seconds(600);
const PUBLISH_WITHIN: Span = Span::seconds(5);
/// The shortest period: a CRL that takes longer to make than it is current would never be current.
const SHORTEST_PERIOD: Span = Span::seconds(10);

impl CrlSettings {
    /// Takes what is asked for to what is there; and every fault, with `crl.` before the field. With a fault what comes back is for judging what
    /// else is asked, and stands nowhere.
    pub fn changed(self, asked: &SetCrl, defaults: CrlSchedule) -> (Self, Vec<Violation>) {
        let SetCrl { period, validity, overlap, delta, delta_period, shards, publish_on_revocation, publish_within } = asked;
        let mut faults = Vec::new();
        let mut span = |field: &str, text: &Option<String>, before: Option<Span>, least: Span| {
            let message = match text.as_deref().map(str::parse::<Span>) {
                None => return Some(before),
                Some(Ok(span)) if span >= least => return Some(Some(span)),
                Some(Ok(_)) => format!("at least {least}"),
                Some(Err(fault)) => fault.to_string(),
            };
            faults.push(Violation::new(&format!("crl.{field}"), message));
            None
        };
        let second = Span::seconds(1);
        let period = span("period", period, self.period, SHORTEST_PERIOD);
        let validity = span("validity", validity, self.validity, SHORTEST_PERIOD);
        let overlap = span("overlap", overlap, self.overlap, second);
        let delta_period = span("delta_period", delta_period, self.delta_period, SHORTEST_PERIOD);
        let publish_within = span("publish_within", publish_within, self.publish_within, second);
        let mut changed = Self {
            period: period.unwrap_or(self.period),
            validity: validity.unwrap_or(self.validity),
            overlap: overlap.unwrap_or(self.overlap),
            delta: delta.unwrap_or(self.delta),
            delta_period: delta_period.unwrap_or(self.delta_period),
            shards: self.shards,
            publish_on_revocation: publish_on_revocation.unwrap_or(self.publish_on_revocation),
            publish_within: publish_within.unwrap_or(self.publish_within),
        };
        match shards.map(u16::try_from) {
            None => {}
            Some(Ok(shards)) if (self.shards..=MOST_SHARDS).contains(&shards) => changed.shards = shards,
            // A certificate names the CRL of its shard for as long as it lives.
            Some(_) => faults.push(Violation::new("crl.shards", format!("{} to {MOST_SHARDS}; the number only grows", self.shards))),
        }
        // Those that have to suit each other are held against each other where each could be read.
        if let (Some(_), Some(_), Some(_)) = (period, validity, overlap) {
            faults.extend(changed.too_short(defaults));
        }
        if let (Some(_), Some(_)) = (period, delta_period) {
            faults.extend(changed.too_seldom(defaults));
        }
        (changed, faults)
    }

    /// A copy must not end before its successor can have been fetched.
    fn too_short(&self, defaults: CrlSchedule) -> Option<Violation> {
        let asked = |span: Option<Span>, default: Span| span.unwrap_or(default).as_seconds();
        let (period, validity) = (asked(self.period, defaults.period), asked(self.validity, defaults.validity));
        let least = asked(self.overlap, Span::seconds(1)).saturating_add(period);
        (least > validity)
            .then(|| Violation::new("crl.validity", format!("at least {}: the period and the overlap together", Span::seconds(least))))
    }

    /// A delta CRL that comes no sooner than the next full one is for nothing.
    fn too_seldom(&self, defaults: CrlSchedule) -> Option<Violation> {
        let period = self.period.unwrap_or(defaults.period);
        let is_in_time = !self.delta || self.delta_period.unwrap_or(DELTA_PERIOD) < period;
        (!is_in_time).then(|| Violation::new("crl.delta_period", format!("shorter than the period, {period}")))
    }

    /// What holds. A configuration that was changed since does not lead to a CRL without a successor.
    pub fn plan(&self, defaults: CrlSchedule) -> Plan {
        let validity = self.validity.unwrap_or(defaults.validity).max(Span::seconds(2));
        let period = self.period.unwrap_or(defaults.period).min(validity);
        let left = Span::seconds(validity.as_seconds() - period.as_seconds());
        Plan {
            period,
            validity,
            overlap: self.overlap.unwrap_or(period).min(left),
            delta_period: self.delta.then(|| self.delta_period.unwrap_or(DELTA_PERIOD)),
            publish_within: self.publish_on_revocation.then(|| self.publish_within.unwrap_or(PUBLISH_WITHIN)),
        }
    }

    /// The CRLs that are made in every period.
    pub fn parts(&self) -> Vec<CrlPart> {
        let mut parts = vec![CrlPart::Whole];
        if self.shards > 0 {
            parts.push(CrlPart::Authorities);
            parts.extend((1..=self.shards).map(CrlPart::Shard));
        }
        parts
    }

    /// Which CRL a certificate shall name.
    pub fn part_of(&self, serial: &[u8], is_authority: bool) -> CrlPart {
        match (self.shards, is_authority) {
            (0, _) => CrlPart::Whole,
            (_, true) => CrlPart::Authorities,
            (shards, false) => {
                // The serial number is random, so its last octets divide evenly.
                let random = serial.iter().rev().take(4).fold(0u32, |sum, octet| sum << 8 | u32::from(*octet));
                CrlPart::Shard(1 + u16::try_from(random % u32::from(shards)).unwrap_or_default())
            }
        }
    }

    /// How it looks outside.
    pub fn shown(&self, defaults: CrlSchedule) -> wire::CrlSettings {
        let plan = self.plan(defaults);
        wire::CrlSettings {
            period: plan.period.to_string(),
            validity: plan.validity.to_string(),
            overlap: plan.overlap.to_string(),
            delta: self.delta,
            delta_period: self.delta_period.unwrap_or(DELTA_PERIOD).to_string(),
            shards: u32::from(self.shards),
            publish_on_revocation: self.publish_on_revocation,
            publish_within: self.publish_within.unwrap_or(PUBLISH_WITHIN).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: CrlSchedule = CrlSchedule { period: Span::seconds(3_600), validity: Span::seconds(86_400) };

    fn asked(change: impl FnOnce(&mut SetCrl)) -> Result<CrlSettings, Vec<String>> {
        let mut asked = SetCrl::default();
        change(&mut asked);
        let fields = |faults: Vec<Violation>| faults.into_iter().map(|fault| fault.field).collect();
        match (CrlSettings { shards: 4, ..CrlSettings::default() }).changed(&asked, DEFAULTS) {
            (changed, faults) if faults.is_empty() => Ok(changed),
            (_, faults) => Err(fields(faults)),
        }
    }

    #[test]
    fn what_cannot_be_is_said_by_field() {
        let text = |text: &str| Some(text.to_owned());
        let several = |wire: &mut SetCrl| {
            (wire.period, wire.validity, wire.shards) = (text("1s"), text("soon"), Some(3));
        };
        assert_eq!(asked(several), Err(["crl.period", "crl.validity", "crl.shards"].map(str::to_owned).to_vec()));
        // What has to suit each other is told with what cannot be read, and not when it could not be read itself.
        let three = |wire: &mut SetCrl| {
            (wire.period, wire.validity, wire.overlap) = (text("3d"), text("1h"), text("9d"));
            (wire.delta, wire.delta_period, wire.shards, wire.publish_within) = (Some(true), text("4d"), Some(3), text("never"));
        };
        let wanted = ["crl.publish_within", "crl.shards", "crl.validity", "crl.delta_period"];
        assert_eq!(asked(three), Err(wanted.map(str::to_owned).to_vec()));
        let half = |wire: &mut SetCrl| (wire.period, wire.overlap) = (text("3d"), text("soon"));
        assert_eq!(asked(half), Err(vec!["crl.overlap".to_owned()]));
        assert_eq!(asked(|wire| wire.shards = Some(129)), Err(vec!["crl.shards".to_owned()]));
        assert_eq!(asked(|wire| wire.validity = text("1h")), Err(vec!["crl.validity".to_owned()]));
        assert_eq!(asked(|wire| (wire.delta, wire.delta_period) = (Some(true), text("1h"))), Err(vec!["crl.delta_period".to_owned()]));
        let changed = asked(|wire| (wire.shards, wire.delta, wire.overlap) = (Some(9), Some(true), text("3h"))).unwrap();
        assert_eq!((changed.shards, changed.delta, changed.overlap), (9, true, Some(Span::seconds(10_800))));
        assert_eq!(changed.parts().len(), 11);
    }

    #[test]
    fn a_shard_is_one_of_those_there_are() {
        let settings = CrlSettings { shards: 3, ..CrlSettings::default() };
        let shards: std::collections::BTreeSet<_> = (0..=255u8).map(|last| settings.part_of(&[0x40, 7, last], false)).collect();
        assert_eq!(shards, (1..=3).map(CrlPart::Shard).collect());
        assert_eq!(settings.part_of(&[1], true), CrlPart::Authorities);
        assert_eq!(CrlSettings::default().part_of(&[1], true), CrlPart::Whole);
    }

    #[test]
    fn a_shorter_validity_in_the_configuration_leaves_a_plan_that_works() {
        let settings = CrlSettings { overlap: Some(Span::seconds(50_000)), ..CrlSettings::default() };
        let plan = settings.plan(CrlSchedule { period: Span::seconds(60), validity: Span::seconds(100) });
        assert_eq!((plan.period, plan.overlap), (Span::seconds(60), Span::seconds(40)));
        assert_eq!((plan.delta_period, plan.publish_within), (None, None));
    }
}
