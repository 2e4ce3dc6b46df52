//! Mutations of DER that keep it DER.
//!
//! A byte that is put in or taken away somewhere in DER makes every length around it wrong, so that almost all blind
//! mutations end at the first header. Here one element is chosen and changed, and the lengths of those around it are
//! written anew; some of the time bytes are still changed blindly, for the sake of the headers.

pub mod request;

use chancery::x509::tlv::{BIT_STRING, OCTET_STRING, Reader, write_value};

/// An element and where it stands: as a range of the content of the one around it.
struct Node {
    /// The place in the list of the element around it; the outermost has none.
    around: Option<usize>,
    tag: u8,
    start: usize,
    end: usize,
    content: Vec<u8>,
}

/// A mutation for `fuzz_mutator!`: changes the first `size` bytes of `data` and says how many there are now.
pub fn mutate_der(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut nodes = Vec::new();
    collect(&data[..size], None, 0, &mut nodes);
    let blind = |data: &mut [u8]| libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    if nodes.is_empty() || seed.is_multiple_of(8) {
        return blind(data);
    }
    let chosen = (seed / 64) as usize % nodes.len();
    let node = &nodes[chosen];
    let mut changed = Vec::new();
    match seed / 8 % 8 {
        // Gone, or there twice.
        0 => {}
        1 => (0..2).for_each(|_| write_value(&mut changed, node.tag, &node.content)),
        // Another element of the same input in its place.
        2 => {
            let other = &nodes[(seed / 7919) as usize % nodes.len()];
            write_value(&mut changed, other.tag, &other.content);
        }
        _ => {
            let mut content = node.content.clone();
            let length = content.len();
            content.resize(length + 64, 0);
            let length = libfuzzer_sys::fuzzer_mutate(&mut content, length, length + 64);
            write_value(&mut changed, node.tag, &content[..length]);
        }
    }
    let mutated = rebuilt(&nodes, chosen, changed);
    if mutated.len() > max_size.min(data.len()) {
        return blind(data);
    }
    data[..mutated.len()].copy_from_slice(&mutated);
    mutated.len()
}

/// Lists the elements that `bytes` are from `lead` on, and those inside them; nothing if they are not DER.
fn collect(bytes: &[u8], around: Option<usize>, lead: usize, nodes: &mut Vec<Node>) {
    let first = nodes.len();
    let inner = bytes.get(lead..).unwrap_or_default();
    let mut reader = Reader::new(inner);
    let mut start = lead;
    while !reader.is_empty() {
        let Ok(element) = reader.read() else {
            nodes.truncate(first);
            return;
        };
        let end = start + element.whole.len();
        nodes.push(Node { around, tag: element.tag, start, end, content: element.content.to_vec() });
        start = end;
    }
    for place in first..nodes.len() {
        let (tag, content) = (nodes[place].tag, nodes[place].content.clone());
        // Extensions and keys are DER inside of strings; a bit string first says how many bits are unused.
        let lead = usize::from(tag == BIT_STRING);
        if tag & 0x20 != 0 || tag == OCTET_STRING || tag == BIT_STRING {
            collect(&content, Some(place), lead, nodes);
        }
    }
}

/// The whole input with these bytes in the place of one element.
fn rebuilt(nodes: &[Node], chosen: usize, mut changed: Vec<u8>) -> Vec<u8> {
    let mut place = chosen;
    while let Some(around) = nodes[place].around {
        let parent = &nodes[around];
        let mut content = parent.content.clone();
        content.splice(nodes[place].start..nodes[place].end, changed);
        changed = Vec::new();
        write_value(&mut changed, parent.tag, &content);
        place = around;
    }
    // Elements that stand beside the outermost one are rare and not worth keeping.
    changed
}
