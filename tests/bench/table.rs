//! What is printed.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::process;
use crate::settings::Settings;

/// The machine and the conditions, without which a number means nothing.
pub fn heading(settings: &Settings) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{}, {cores} cores, load average {} at the start; {} s each, {} connections",
        process::processor(),
        process::load_average(),
        settings.time.as_secs(),
        settings.connections,
    );
}

/// A titled table: the first column names a row, the others are numbers.
pub fn print(title: &str, columns: &[&str], rows: &[Vec<String>]) {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(columns);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("\n{title}\n{table}");
}

/// A rate with thousands apart.
pub fn rate(per_second: f64) -> String {
    let digits = format!("{per_second:.0}");
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// One rate as a part of another.
pub fn ratio(part: f64, whole: f64) -> String {
    share(part / whole)
}

/// A share of 1 in per cent.
pub fn share(part: f64) -> String {
    format!("{:.0} %", 100.0 * part)
}

/// The share of one of so many.
pub fn each(time: Duration, count: u64) -> String {
    // Counts of a few seconds are far below 2^53.
    format!("{:.0} µs", time.as_secs_f64() * 1e6 / count.max(1) as f64)
}
