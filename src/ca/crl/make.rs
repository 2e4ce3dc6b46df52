//! Making CRLs: `numbers → entries → signature → file → check → record`. Those of one authority that are due together are made in one walk over what
//! is revoked.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::check::{Check, Meant, changes};
use super::file::{Hashed, is_full};
use super::listing::{Changed, Listed};
use super::spool::Spool;
use super::{
    CrlError, CrlForm, CrlName, CrlPublisher, Plan, PublishedCrl, covering, highest_number, later, lock, needs_full_first, read_record,
};
use crate::access::Caller;
use crate::audit::{self, Action, Field};
use crate::base::clock::{from_seconds, rfc3339};
use crate::ca::Authority;
use crate::ca::record::CrlRecord;
use crate::inventory::{CrlPart, LogEntry};
use crate::storage::{Change, Class, Table, counter};
use crate::token::request::LONGEST_MESSAGE;
use crate::x509::crl::{self, Covered, CrlDraft, CrlFrame, IssuingDistributionPoint};
use crate::x509::signed;

/// What may stand around the entries: names, URLs, numbers.
const MOST_AROUND: usize = 1 << 16;

/// One CRL while it is made.
struct Making {
    name: CrlName,
    number: u64,
    /// The full CRL that a delta CRL belongs to.
    base: Option<Arc<PublishedCrl>>,
    this_update: Timestamp,
    next_update: Timestamp,
    /// The URLs it is limited to; none for the CRL of everything.
    urls: Vec<String>,
    delta_urls: Vec<String>,
    /// What ended before this was on an earlier one since (RFC 5280, 3.3).
    ended: Timestamp,
    path: PathBuf,
    spool: Spool,
    frame: CrlFrame,
    signature: Vec<u8>,
    length: u64,
    sha256: [u8; 32],
}

impl CrlPublisher {
    /// Makes these CRLs of an authority. On a full disk the room is used that is held for it.
    pub(super) async fn make(
        &self,
        authority: &Authority,
        form: CrlForm,
        parts: &[CrlPart],
        caller: &Caller,
    ) -> Result<Vec<Arc<PublishedCrl>>, CrlError> {
        match self.make_once(authority, form, parts, caller).await {
            Err(CrlError::File(error)) if is_full(&error) && self.books.storage.release_reserve().await => {
                self.make_once(authority, form, parts, caller).await
            }
            other => other,
        }
    }

    async fn make_once(
        &self,
        authority: &Authority,
        form: CrlForm,
        parts: &[CrlPart],
        caller: &Caller,
    ) -> Result<Vec<Arc<PublishedCrl>>, CrlError> {
        let now = from_seconds(self.clock.now().as_second());
        if now >= authority.not_after {
            return Err(CrlError::Expired);
        }
        // Before anything is read: what is committed later may be missed, and is what the check excuses and the next delta CRL tells.
        let seen = self.books.storage.last_sequence();
        let mut making = tokio::task::block_in_place(|| self.begin(authority, form, parts, now))?;
        // Before numbers are taken, for where there is no base none are used.
        let changed = tokio::task::block_in_place(|| self.changed(authority, &making))?;
        let first = self.reserve_numbers(authority, &making, now, caller).await?;
        for (making, number) in making.iter_mut().zip(first..) {
            making.number = number;
        }
        // Before anything is signed with them.
        self.or_reject(self.above_every_earlier(authority, first), authority, &making, now, caller).await?;
        tokio::task::block_in_place(|| self.write_entries(authority, &mut making, &changed))?;
        drop(changed);
        let all = making.len();
        making.retain(|making| !making.is_too_long(authority));
        let some_are_too_long = making.len() < all;
        for making in &mut making {
            self.sign(authority, making).await?;
        }
        let checked = tokio::task::block_in_place(|| {
            making.iter_mut().try_for_each(|making| making.assemble(authority))?;
            self.check(authority, &making, seen)
        });
        self.or_reject(checked, authority, &making, now, caller).await?;
        let mut published = Vec::with_capacity(making.len());
        for making in making {
            published.push(self.release(authority, making, seen, caller, now).await?);
        }
        // What was deleted while they were made may be on none of them: the next ones are made at once.
        if form == CrlForm::Full
            && authority.revocation().is_some()
            && LogEntry::since(&self.books.storage, authority.id, seen).next().is_some()
        {
            self.wait_for(authority.id, parts.iter().copied(), true);
        }
        // The others are there all the same: shards, where the CRL of everything has become too long.
        if some_are_too_long { Err(CrlError::TooLong) } else { Ok(published) }
    }

    fn begin(&self, authority: &Authority, form: CrlForm, parts: &[CrlPart], now: Timestamp) -> Result<Vec<Making>, CrlError> {
        let plan = authority.crl.plan(self.schedule());
        let next_update = self.next_update(authority, form, &plan, now)?;
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            let name = CrlName { ca: authority.id, part: *part, form };
            let base = match form {
                CrlForm::Full => None,
                CrlForm::Delta => {
                    let full = self.named(CrlName { form: CrlForm::Full, ..name }).ok_or(CrlError::NoBase)?;
                    if needs_full_first(authority, &full) {
                        return Err(CrlError::NoBase);
                    }
                    Some(full)
                }
            };
            let previous = read_record(&self.books.storage, name)?.map(|record| {
                let (CrlRecord::V1 { this_update, .. } | CrlRecord::V2 { this_update, .. }) = record;
                from_seconds(this_update)
            });
            let (path, entries) = self.folder.unfinished(name);
            let urls = |form| CrlName { form, ..name }.urls(&authority.crl_urls);
            all.push(Making {
                name,
                number: 0,
                base,
                this_update: now,
                next_update,
                urls: if *part == CrlPart::Whole { Vec::new() } else { urls(CrlForm::Full) },
                delta_urls: if form == CrlForm::Full && authority.crl.delta { urls(CrlForm::Delta) } else { Vec::new() },
                // A CRL made while the clock was ahead says nothing about who has expired by now.
                ended: previous.map_or(now, |previous| previous.min(now)),
                path,
                spool: Spool::new(entries),
                frame: CrlFrame { before: Vec::new(), behind: Vec::new() },
                signature: Vec::new(),
                length: 0,
                sha256: [0; 32],
            });
        }
        Ok(all)
    }

    /// The last CRL of an authority that ends is good for as long as there may be anybody to ask about what it issued.
    fn next_update(&self, authority: &Authority, form: CrlForm, plan: &Plan, now: Timestamp) -> Result<Timestamp, CrlError> {
        if let (CrlForm::Delta, Some(period)) = (form, plan.delta_period) {
            return Ok(later(now, 2 * period.as_seconds()));
        }
        let regular = later(now, plan.validity.as_seconds());
        let is_last = later(now, plan.period.as_seconds()) >= authority.not_after;
        if !is_last && authority.revocation().is_none() {
            return Ok(regular);
        }
        let last = self.books.storage.scan_keys_reverse(Table::CertificatesByCaExpiry, authority.id.as_bytes(), None).next();
        let end = last.transpose()?.and_then(|key| key.get(16..24)?.first_chunk::<8>().copied()).map(u64::from_be_bytes);
        let end = end.and_then(|seconds| i64::try_from(seconds).ok()).map_or(regular, from_seconds);
        Ok(regular.max(end))
    }

    /// Takes the next numbers for good: they are durable before anything is signed with them, so no number is ever used twice.
    async fn reserve_numbers(&self, authority: &Authority, making: &[Making], now: Timestamp, caller: &Caller) -> Result<u64, CrlError> {
        let key = [b"crl/".as_slice(), authority.id.as_bytes()].concat();
        let last = self.books.storage.get(Table::Counters, &key)?.map_or(Some(0), |value| counter(&value));
        let before = last.and_then(|last| u64::try_from(last).ok()).ok_or(CrlError::Record)?;
        let last = self.left.get(&authority.id).map_or(before, |left| before.max(*left));
        let count = i64::try_from(making.len()).map_err(|_| CrlError::Encoding)?;
        let raised = i64::try_from(last - before).map_err(|_| CrlError::Record)?;
        let mut entry = caller.origin().entry(Action::CrlIntend, now).of(authority.organization).object(authority.id);
        entry = entry.detail(Field::CrlNumber, last + 1);
        if count > 1 {
            entry = entry.detail(Field::Count, count);
        }
        let change = Change::new(Class::Essential).add(Table::Counters, &key, raised.checked_add(count).ok_or(CrlError::Record)?);
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        self.journal.note_number(authority.id, last + making.len() as u64).await;
        Ok(last + 1)
    }

    /// What the delta CRLs among them tell together, in one walk, however many there are. Empty for full ones.
    fn changed(&self, authority: &Authority, making: &[Making]) -> Result<Vec<Changed>, CrlError> {
        match making.iter().filter_map(|making| making.base.as_ref()).map(|base| base.seen).min() {
            None => Ok(Vec::new()),
            Some(lowest) => self.books.changed(authority, lowest)?.ok_or(CrlError::NoBase),
        }
    }

    fn write_entries(&self, authority: &Authority, making: &mut [Making], changed: &[Changed]) -> Result<(), CrlError> {
        for making in making.iter_mut() {
            for changed in changed {
                if making.tells(changed) {
                    making.add(&changed.listed)?;
                }
            }
        }
        let mut by_part: HashMap<CrlPart, &mut Making> =
            making.iter_mut().filter(|making| making.name.form == CrlForm::Full).map(|making| (making.name.part, making)).collect();
        if by_part.is_empty() {
            return Ok(());
        }
        for listed in self.books.listed(authority) {
            let listed = listed?;
            for part in covering(listed.part) {
                if let Some(making) = by_part.get_mut(&part)
                    && listed.not_after > making.ended
                    // What cannot be signed need not be written to its end.
                    && !making.is_too_long(authority)
                {
                    making.add(&listed)?;
                }
            }
        }
        Ok(())
    }

    async fn sign(&self, authority: &Authority, making: &mut Making) -> Result<(), CrlError> {
        making.frame = making.draft(authority).frame(making.spool.length()).map_err(|_| CrlError::Encoding)?;
        making.signature = match authority.algorithm.hash() {
            Some(hash) => {
                let digest = tokio::task::block_in_place(|| {
                    let mut context = hash.context();
                    making.each_chunk(|chunk| {
                        context.update(chunk);
                        Ok(())
                    })?;
                    Ok::<_, CrlError>(context.finish())
                })?;
                self.token.sign_digest(&authority.key, authority.algorithm, digest).await?
            }
            None => {
                let mut message = Vec::new();
                making.each_chunk(|chunk| message.write_all(chunk))?;
                self.token.sign(&authority.key, authority.algorithm, message).await?
            }
        };
        Ok(())
    }

    /// Full and delta CRLs of all parts share one sequence, and no number comes twice (RFC 5280, 5.2.3), whatever the counter says.
    fn above_every_earlier(&self, authority: &Authority, number: u64) -> Result<(), CrlError> {
        match highest_number(&self.books.storage, authority.id)? {
            Some(highest) if highest >= number => Err(CrlError::NotAsMeant("its number")),
            Some(_) | None => Ok(()),
        }
    }

    /// Holds all of them against the store, which is read once more for it, in one walk.
    fn check(&self, authority: &Authority, making: &[Making], seen: u64) -> Result<(), CrlError> {
        let mut has_changed = changes(|| self.books.changed_since(authority, seen));
        let changed = self.changed(authority, making)?;
        let mut checks = HashMap::new();
        for making in making {
            let mut check = Check::open(&making.path, making.meant(authority))?;
            match &making.base {
                Some(_) => {
                    for changed in changed.iter().filter(|changed| making.tells(changed)) {
                        check.meets(&changed.listed.entry, &mut has_changed)?;
                    }
                    check.finish(&mut has_changed)?;
                }
                None => drop(checks.insert(making.name.part, (check, making.ended))),
            }
        }
        if checks.is_empty() {
            return Ok(());
        }
        for listed in self.books.listed(authority) {
            let listed = listed?;
            for part in covering(listed.part) {
                if let Some((check, ended)) = checks.get_mut(&part)
                    && listed.not_after > *ended
                {
                    check.meets(&listed.entry, &mut has_changed)?;
                }
            }
        }
        checks.into_values().try_for_each(|(check, _)| check.finish(&mut has_changed))
    }

    /// What a check has said, and the alarm where it says that this is not what was meant.
    async fn or_reject(
        &self,
        checked: Result<(), CrlError>,
        authority: &Authority,
        making: &[Making],
        now: Timestamp,
        caller: &Caller,
    ) -> Result<(), CrlError> {
        if let Err(error @ CrlError::NotAsMeant(_)) = &checked {
            self.reject(authority, making, error, now, caller).await;
        }
        checked
    }

    /// The alarm: what was made is not what the store says. The CRL before it stays.
    async fn reject(&self, authority: &Authority, making: &[Making], error: &CrlError, now: Timestamp, caller: &Caller) {
        lock(&self.rejected).extend(making.iter().map(|making| making.name));
        let names: Vec<_> = making.iter().take(8).map(|making| making.name.to_string()).collect();
        tracing::error!(ca = %authority.id, crls = names.join(" "), %error, "a CRL is not what the store says and is not published");
        let entry = caller.origin().entry(Action::CrlReject, now).of(authority.organization).object(authority.id);
        let entry = entry.detail(Field::Crl, names.join(" ")).detail(Field::Fault, error);
        if let Err(error) = self.ledger.commit(audit::Change::entry_only(Class::Essential, entry)).await {
            tracing::error!(%error, "that a CRL was rejected is not in the audit trail");
        }
        for making in making {
            // It may not have been written.
            let _ = std::fs::remove_file(&making.path);
        }
    }

    async fn release(
        &self,
        authority: &Authority,
        making: Making,
        seen: u64,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Arc<PublishedCrl>, CrlError> {
        let Making { name, number, base, this_update, next_update, spool, length, sha256, .. } = making;
        let base = base.map(|base| base.number);
        let path = self.folder.publish(name, number).map_err(CrlError::File)?;
        let entries = spool.entries();
        let published =
            PublishedCrl { name, number, base, this_update, next_update, entries, length, sha256, seen, path, reading: Mutex::default() };
        let value = postcard::to_allocvec(&published.record()).map_err(|_| CrlError::Record)?;
        let mut entry = caller
            .origin()
            .entry(Action::CrlPublish, now)
            .of(authority.organization)
            .object(authority.id)
            .detail(Field::CrlNumber, number)
            .detail(Field::Count, entries)
            .detail(Field::NextUpdate, rfc3339(next_update))
            .detail(Field::CrlSha256, hex::encode(sha256));
        if name != CrlName::whole(authority.id) {
            entry = entry.detail(Field::Crl, name);
        }
        if let Some(base) = base {
            entry = entry.detail(Field::BaseCrlNumber, base);
        }
        let change = Change::new(Class::Essential).put(Table::CrlState, &name.key(), &value);
        self.ledger.commit(audit::Change::new(change, entry)).await?;
        lock(&self.rejected).remove(&name);
        let published = Arc::new(published);
        let before = self.current.write().unwrap_or_else(PoisonError::into_inner).insert(name, published.clone());
        if let Some(before) = before
            && let Err(error) = std::fs::remove_file(&before.path)
        {
            tracing::warn!(%error, path = %before.path.display(), "the file of an earlier CRL was left behind");
        }
        Ok(published)
    }
}

impl Making {
    fn draft<'a>(&'a self, authority: &'a Authority) -> CrlDraft<'a> {
        let only = match self.name.part {
            CrlPart::Whole => None,
            CrlPart::Authorities => Some(Covered::Authorities),
            CrlPart::Shard(_) => Some(Covered::Users),
        };
        CrlDraft {
            issuer: authority.subject.der(),
            signature: authority.algorithm,
            this_update: self.this_update,
            next_update: self.next_update,
            number: self.number,
            authority_key_id: authority.certificate.subject_key_id().unwrap_or_default(),
            distribution_point: only.map(|only| IssuingDistributionPoint { urls: &self.urls, only }),
            base: self.base.as_ref().map(|base| base.number),
            delta_urls: &self.delta_urls,
        }
    }

    /// Whether it is a delta CRL that tells this change.
    fn tells(&self, changed: &Changed) -> bool {
        let is_of_part = covering(changed.listed.part).any(|part| part == self.name.part);
        is_of_part && self.base.as_ref().is_some_and(|base| changed.sequence > base.seen)
    }

    /// Ed25519 takes the message itself, and the token's worker no longer one than it has room for.
    fn is_too_long(&self, authority: &Authority) -> bool {
        authority.algorithm.hash().is_none() && self.spool.length() > (LONGEST_MESSAGE - MOST_AROUND) as u64
    }

    fn add(&mut self, listed: &Listed) -> Result<(), CrlError> {
        let is_delta = self.base.is_some();
        let written = self.spool.add(|out| crl::write_entry(out, &listed.entry, is_delta));
        written.map_err(CrlError::File)?.map_err(|_| CrlError::Encoding)
    }

    /// Hands on all that is signed.
    fn each_chunk(&mut self, mut hand: impl FnMut(&[u8]) -> std::io::Result<()>) -> Result<(), CrlError> {
        let Self { frame, spool, .. } = self;
        let mut all = || {
            hand(&frame.before)?;
            spool.each_chunk(&mut hand)?;
            hand(&frame.behind)
        };
        all().map_err(CrlError::File)
    }

    /// Writes the whole CRL to its file and makes it durable.
    fn assemble(&mut self, authority: &Authority) -> Result<(), CrlError> {
        let entries = usize::try_from(self.spool.length()).map_err(|_| CrlError::Encoding)?;
        let tbs_length = self.frame.before.len() + entries + self.frame.behind.len();
        let (before, behind) = signed::around(tbs_length, authority.algorithm, &self.signature);
        let mut file = Hashed::create(&self.path).map_err(CrlError::File)?;
        file.write(&before).map_err(CrlError::File)?;
        self.each_chunk(|chunk| file.write(chunk))?;
        file.write(&behind).map_err(CrlError::File)?;
        (self.length, self.sha256) = file.finish().map_err(CrlError::File)?;
        Ok(())
    }

    fn meant<'a>(&'a self, authority: &'a Authority) -> Meant<'a> {
        Meant {
            key: &authority.key.public,
            algorithm: authority.algorithm,
            frame: &self.frame,
            signature: &self.signature,
            entries_length: self.spool.length(),
        }
    }
}
