use std::fs;
use std::path::Path;

use super::*;

/// A folder in memory where there is one: these tests open a journal hundreds of times, and are not about the disk.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Small segments, so that a test has several.
const SMALL: Options = Options { segment_bytes: 2_000, room_bytes: 0 };
const LARGE: Options = Options { segment_bytes: 1 << 20, room_bytes: 0 };

fn append(journal: &mut Journal, records: &[&[u8]]) -> Appended {
    let mut batch = Batch::new();
    for record in records {
        batch.record(|out| out.extend_from_slice(record));
    }
    journal.append(&mut batch, 1_700_000_000_000_000).unwrap()
}

/// A journal of so many frames with two records each, and where each frame ends.
fn written(folder: &Path, options: Options, frames: u8) -> Vec<Position> {
    let (mut journal, resumed) = Journal::open(folder, options).unwrap();
    assert_eq!(resumed.torn_bytes, 0);
    let mut ends = vec![journal.position()];
    for frame in 0..frames {
        append(&mut journal, &[&[frame + 1; 50], &[0xA0 + frame; 33]]);
        ends.push(journal.position());
    }
    ends
}

fn records(folder: &Path) -> Result<Vec<(u64, Vec<u8>)>, JournalError> {
    let mut all = Vec::new();
    verify::<JournalError>(folder, |frame| {
        all.extend(frame.records().map(|record| (record.sequence, record.bytes.to_vec())));
        Ok(())
    })?;
    Ok(all)
}

#[test]
fn records_come_back_in_order_across_segments() {
    let dir = scratch();
    let ends = written(dir.path(), SMALL, 40);
    assert!(ends.last().unwrap().segment > 3);
    let all = records(dir.path()).unwrap();
    assert_eq!(all.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), (1..=80).collect::<Vec<_>>());
    assert!(all.iter().all(|(sequence, bytes)| match sequence % 2 {
        1 => *bytes == [(sequence / 2 + 1) as u8; 50],
        _ => *bytes == [(0x9F + sequence / 2) as u8; 33],
    }));
    // From any position on as well.
    for from in &ends {
        let mut frames = Frames::open(dir.path(), *from).unwrap();
        while frames.next_frame().unwrap().is_some() {}
        assert_eq!(frames.position(), *ends.last().unwrap());
    }
    // And writing goes on where it ended.
    let (mut journal, _) = Journal::open(dir.path(), SMALL).unwrap();
    assert_eq!(append(&mut journal, &[b"next"]).first, 81);
    assert_eq!(records(dir.path()).unwrap().len(), 81);
}

#[test]
fn a_place_is_read_while_the_journal_is_written() {
    let dir = scratch();
    let (mut journal, _) = Journal::open(dir.path(), Options { segment_bytes: 4_000, room_bytes: 1 << 10 }).unwrap();
    let reader = journal.reader();
    let mut places = Vec::new();
    for round in 0..200_u32 {
        let mut batch = Batch::new();
        let within = batch.record(|out| {
            out.extend_from_slice(b"before");
            let within = out.len() as u32;
            out.extend_from_slice(&round.to_be_bytes());
            within
        });
        assert_eq!(batch.bytes(within, 4), round.to_be_bytes());
        let appended = journal.append(&mut batch, 0).unwrap();
        places.push(Place { segment: appended.segment, offset: appended.offset + within, length: 4 });
        for (at, place) in places.iter().enumerate().step_by(17) {
            assert_eq!(reader.read(*place).unwrap(), (at as u32).to_be_bytes());
        }
    }
    let fresh = Reader::clone(&reader);
    assert!(places.iter().all(|place| Place::from_bytes(place.to_bytes()) == *place && fresh.read(*place).is_ok()));
    assert!(reader.read(Place { segment: 99, offset: 0, length: 1 }).is_err());
}

#[test]
fn a_frame_torn_at_any_byte_is_cut_off_and_kept() {
    let dir = scratch();
    let ends = written(dir.path(), LARGE, 3);
    let whole = fs::read(dir.path().join("0000000001.log")).unwrap();
    let (good, end) = (ends[2].offset as usize, ends[3].offset as usize);
    assert_eq!(whole.len(), end);
    for cut in good..end {
        // The file ends there, or room made in advance follows.
        for room in [0, 3_000] {
            let copy = scratch();
            let mut bytes = whole[..cut].to_vec();
            bytes.resize(cut + room, 0);
            fs::write(copy.path().join("0000000001.log"), &bytes).unwrap();
            let torn = bytes[good..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            // Verification waits a little for a daemon that may be writing, so not at every byte.
            if cut % 32 == 0 {
                assert_eq!(verify::<JournalError>(copy.path(), |_| Ok(())).unwrap().torn_bytes, torn as u64);
            }
            let (mut journal, resumed) = Journal::open(copy.path(), LARGE).unwrap();
            assert_eq!(resumed.torn_bytes, torn as u64, "cut at {cut}");
            assert_eq!(journal.position(), ends[2]);
            if torn > 0 {
                assert_eq!(fs::read(copy.path().join("torn-5.bin")).unwrap(), whole[good..good + torn]);
            }
            append(&mut journal, &[b"after"]);
            assert_eq!(records(copy.path()).unwrap().len(), 5);
        }
    }
}

#[test]
fn a_torn_frame_that_was_acknowledged_is_refused() {
    let dir = scratch();
    let ends = written(dir.path(), LARGE, 3);
    let path = dir.path().join("0000000001.log");
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(u64::from(ends[3].offset) - 1).unwrap();
    let mut frames = Frames::open(dir.path(), Position::START).unwrap();
    while frames.next_frame().unwrap().is_some() {}
    let error = Journal::resume(frames, LARGE, 6).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { segment: 1, fault: Fault::Acknowledged, .. }), "{error}");
}

#[test]
fn any_flipped_bit_before_the_last_frame_is_refused() {
    let dir = scratch();
    let ends = written(dir.path(), LARGE, 3);
    let path = dir.path().join("0000000001.log");
    let whole = fs::read(&path).unwrap();
    for at in 0..ends[2].offset as usize {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let expected = if at < ends[1].offset as usize { 0 } else { u64::from(ends[1].offset) };
        match Journal::open(dir.path(), LARGE) {
            Err(JournalError::Corrupt { segment: 1, offset, .. } | JournalError::Newer { segment: 1, offset, .. }) => {
                assert_eq!(offset, expected)
            }
            other => panic!("flipped bit in byte {at}: {other:?}"),
        }
        if at % 32 == 0 {
            assert!(verify::<JournalError>(dir.path(), |_| Ok(())).is_err());
        }
    }
}

#[test]
fn altered_frames_with_new_checksums_break_the_chain() {
    let dir = scratch();
    let ends = written(dir.path(), LARGE, 3);
    let path = dir.path().join("0000000001.log");
    let mut bytes = fs::read(&path).unwrap();
    // The forger rewrites the first frame with the right hash and checksum for itself, but cannot reach the next one's.
    frame::seal(&mut bytes[..ends[1].offset as usize], &START, 1, 2, 0);
    fs::write(&path, &bytes).unwrap();
    let error = Journal::open(dir.path(), LARGE).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { fault: Fault::Chain, .. }), "{error}");
    // A frame that is left out is a gap.
    let whole = written_bytes(3);
    fs::write(&path, [&whole.0[..whole.1[1]], &whole.0[whole.1[2]..]].concat()).unwrap();
    let error = Journal::open(dir.path(), LARGE).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { fault: Fault::Sequence, .. }), "{error}");
}

fn written_bytes(frames: u8) -> (Vec<u8>, Vec<usize>) {
    let dir = scratch();
    let ends = written(dir.path(), LARGE, frames);
    (fs::read(dir.path().join("0000000001.log")).unwrap(), ends.iter().map(|end| end.offset as usize).collect())
}

#[test]
fn a_closed_segment_is_never_cut() {
    let dir = scratch();
    written(dir.path(), SMALL, 40);
    let path = dir.path().join("0000000002.log");
    let whole = fs::read(&path).unwrap();
    for kept in [whole.len() - 1, 100, 0] {
        fs::write(&path, &whole[..kept]).unwrap();
        let error = Journal::open(dir.path(), SMALL).unwrap_err();
        assert!(matches!(error, JournalError::Corrupt { .. }), "{kept}: {error}");
    }
    fs::remove_file(&path).unwrap();
    let error = Journal::open(dir.path(), SMALL).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { segment: 2, fault: Fault::MissingSegment, .. }), "{error}");
}

#[test]
fn a_new_segment_without_a_frame_is_a_clean_end() {
    let dir = scratch();
    let ends = written(dir.path(), SMALL, 5);
    fs::write(dir.path().join("0000000002.log"), [0; 500]).unwrap();
    let (mut journal, resumed) = Journal::open(dir.path(), SMALL).unwrap();
    assert_eq!((resumed.torn_bytes, journal.position().sequence), (0, ends[5].sequence));
    assert_eq!(append(&mut journal, &[b"here"]).segment, 2);
    assert_eq!(records(dir.path()).unwrap().len(), 11);
}

#[test]
fn room_is_zeros_and_never_read_as_a_frame() {
    let dir = scratch();
    let options = Options { segment_bytes: 300_000, room_bytes: 1 << 16 };
    let (mut journal, _) = Journal::open(dir.path(), options).unwrap();
    for _ in 0..30 {
        append(&mut journal, &[&[7; 20_000]]);
        let end = journal.position();
        let length = fs::metadata(segment::path(dir.path(), end.segment)).unwrap().len();
        assert!(length >= end.offset.into() && length <= options.segment_bytes.into());
        assert_eq!(verify::<JournalError>(dir.path(), |_| Ok(())).unwrap().last, end.sequence);
    }
    assert!(journal.position().segment > 2);
}

#[test]
fn a_batch_that_fits_no_segment_is_refused_and_changes_nothing() {
    let dir = scratch();
    let (mut journal, _) = Journal::open(dir.path(), SMALL).unwrap();
    let mut batch = Batch::new();
    batch.record(|out| out.resize(3_000, 1));
    assert!(matches!(journal.append(&mut batch, 0), Err(AppendError::TooLarge)));
    assert_eq!(append(&mut journal, &[b"small"]).first, 1);
}

#[test]
fn marks_lead_to_every_frame() {
    let dir = scratch();
    let ends = written(dir.path(), LARGE, 30);
    let (journal, _) = Journal::open(dir.path(), LARGE).unwrap();
    let reader = journal.reader();
    let end = ends[30].offset;
    assert_eq!(reader.marks(1, 0, end, 0).unwrap().len(), 30);
    let marks = reader.marks(1, 0, end, 1_000).unwrap();
    assert!(marks.len() > 3 && marks.len() < 10);
    for mark in marks {
        let mut buffer = Vec::new();
        let (frame, next) = reader.frame(1, mark.offset, &mut buffer).unwrap();
        assert_eq!((frame.first, frame.records().count()), (mark.first, 2));
        assert!(ends.iter().any(|end| end.offset == next));
    }
}
