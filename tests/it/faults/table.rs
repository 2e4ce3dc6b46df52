//! The faults: what the shim is told for each, and what the appliance has to make of it while it lasts.

use std::time::Duration;

/// One fault.
pub struct Fault {
    pub name: String,
    /// Rules in the shim's language.
    pub rules: String,
    pub meanwhile: Meanwhile,
}

/// What is answered to those who need the token while the fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// Nothing can be signed.
    Refused,
    /// Everything is signed all the same.
    Served,
    /// Some is signed and some is not.
    Either,
}

/// PKCS#11 v2.40, 5.1: return values, at least one of each kind of cure and some that make no sense where they come. The first ones are
/// those that tokens give most.
pub const CODES: [(u32, &str); 24] = [
    (0x30, "DEVICE_ERROR"),
    (0xB3, "SESSION_HANDLE_INVALID"),
    (0x101, "USER_NOT_LOGGED_IN"),
    (0xA0, "PIN_INCORRECT"),
    (0x31, "DEVICE_MEMORY"),
    (0x32, "DEVICE_REMOVED"),
    (0xB1, "SESSION_COUNT"),
    (0xE0, "TOKEN_NOT_PRESENT"),
    (0x190, "CRYPTOKI_NOT_INITIALIZED"),
    (0x02, "HOST_MEMORY"),
    (0x05, "GENERAL_ERROR"),
    (0x06, "FUNCTION_FAILED"),
    (0x07, "ARGUMENTS_BAD"),
    (0x20, "DATA_INVALID"),
    (0x50, "FUNCTION_CANCELED"),
    (0x54, "FUNCTION_NOT_SUPPORTED"),
    (0x60, "KEY_HANDLE_INVALID"),
    (0x70, "MECHANISM_INVALID"),
    (0x82, "OBJECT_HANDLE_INVALID"),
    (0x90, "OPERATION_ACTIVE"),
    (0xB0, "SESSION_CLOSED"),
    (0xE1, "TOKEN_NOT_RECOGNIZED"),
    (0x150, "BUFFER_TOO_SMALL"),
    (0x8000_0001, "a vendor's own"),
];

/// How long each fault lasts.
pub fn duration() -> Duration {
    Duration::from_secs_f64(given_seconds().unwrap_or(2.0))
}

/// All of them when their duration is given, else the first ones.
fn chosen<T>(faults: Vec<T>, first: usize) -> Vec<T> {
    let count = if given_seconds().is_some() { faults.len() } else { first };
    faults.into_iter().take(count).collect()
}

fn given_seconds() -> Option<f64> {
    std::env::var("CHANCERY_FAULT_SECONDS").ok().map(|text| text.parse().expect("CHANCERY_FAULT_SECONDS is a number"))
}

impl Fault {
    fn new(name: impl Into<String>, rules: impl Into<String>, meanwhile: Meanwhile) -> Self {
        Self { name: name.into(), rules: rules.into(), meanwhile }
    }
}

/// Every code out of one function, before the call is made or after it was; `first` of them in a short run.
pub fn codes_of(function: &str, when: &str, first: usize) -> Vec<Fault> {
    let fault = |(code, meaning): &(u32, &str)| {
        Fault::new(format!("{function}, {code:#x} {meaning} {when}"), format!("{function} always {when} {code:#x}\n"), Meanwhile::Refused)
    };
    chosen(CODES.iter().map(fault).collect(), first)
}

/// What goes wrong on the way back: sessions, logins and searches that fail while the appliance repairs its link to the token.
pub fn on_the_way_back() -> Vec<Fault> {
    let mut faults = Vec::new();
    for (first, then) in [
        ("C_Sign always before 0xB3", "C_OpenSession always before 0xB1"),
        ("C_Sign always before 0xB3", "C_OpenSession always before 0x30"),
        ("C_Sign always before 0x101", "C_Login always before 0x30"),
        ("C_Sign always before 0x101", "C_Login always before 0x06"),
        ("C_Sign always before 0x101", "C_Login always after 0x05"),
        ("C_Sign always before 0x190", "C_Initialize always before 0x05"),
        ("C_Sign always before 0x190", "C_Finalize always before 0x05"),
        ("C_Sign always before 0x190", "C_Initialize always after 0x30"),
        ("C_Sign always before 0x32", "C_GetSlotList always before 0x05"),
        ("C_Sign always before 0x32", "C_GetTokenInfo always before 0xE0"),
        ("C_Sign always before 0x30", "C_CloseSession always before 0xB3"),
    ] {
        faults.push(Fault::new(format!("{first}, and {then}"), format!("{first}\n{then}\n"), Meanwhile::Refused));
    }
    // Every other signature loses its key's handle; the key is then searched for, and that fails.
    for then in [
        "C_FindObjectsInit always before 0x05",
        "C_FindObjects always before 0x30",
        "C_FindObjects always empty",
        "C_FindObjectsFinal always before 0xB3",
        "C_FindObjectsFinal always after 0x05",
        "C_GetAttributeValue always before 0x30",
        "C_GetAttributeValue always before 0x12",
    ] {
        faults.push(Fault::new(format!("{then}, no handle"), format!("C_Sign 1/2 before 0x82\n{then}\n"), Meanwhile::Either));
    }
    // Without much else to choose by, every third.
    let (mut order, rest): (Vec<_>, Vec<_>) = faults.into_iter().enumerate().partition(|(place, _)| place % 3 == 2);
    let first = order.len();
    order.extend(rest);
    chosen(order.into_iter().map(|(_, fault)| fault).collect(), first)
}

/// The token as a whole is gone, whatever it is asked.
pub fn gone() -> Vec<Fault> {
    let faults = [0x30, 0xE0, 0x190, 0x05, 0x31, 0x32, 0xB3, 0x101]
        .map(|code| Fault::new(format!("everything, {code:#x}"), format!("* always before {code:#x}\n"), Meanwhile::Refused))
        .into();
    chosen(faults, 3)
}

/// Not an error but no good either.
pub fn quiet() -> Vec<Fault> {
    vec![
        Fault::new("a bit of every signature is flipped", "C_Sign always flip\n", Meanwhile::Refused),
        Fault::new("a bit of one signature in three is flipped", "C_Sign 33% flip\n", Meanwhile::Either),
        Fault::new("every call is late by 100 ms", "* always delay 100\n", Meanwhile::Served),
        Fault::new("one call in ten is late by 1 s", "* 10% delay 1000\n", Meanwhile::Served),
        Fault::new("one call in twenty fails", "* 5% before 0x30\n", Meanwhile::Either),
        Fault::new("one session call in five fails", "C_SignInit 20% before 0xB3\nC_OpenSession 20% before 0x30\n", Meanwhile::Either),
        Fault::new("one signature in three is made and not answered", "C_Sign 33% after 0x06\n", Meanwhile::Either),
    ]
}
