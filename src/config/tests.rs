use super::*;

const LEAST: &str = r#"
data_dir = "/var/lib/chancery"
listen = "127.0.0.1:8443"
[tls]
certificate = "/etc/chancery/tls.pem"
key = "/etc/chancery/tls.key"
[[token]]
name = "main"
config = "/etc/chancery/tokens/main.toml"
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chancery.toml");
    std::fs::write(&path, text).unwrap();
    Config::read(&path)
}

#[test]
fn the_least_that_is_needed_is_enough() {
    let config = read(LEAST).unwrap();
    assert_eq!(config.token[0].queue, 1_024);
    assert_eq!(config.crl_period().unwrap(), Span::seconds(3_600));
    assert_eq!(config.crl_validity().unwrap(), Span::days(1));
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let error = read(&LEAST.replace("[[token]]", "[[token]]\npin = \"1234\"")).unwrap_err().to_string();
    assert!(error.contains("unknown field `pin`") && error.contains("config"), "{error}");
}

#[test]
fn a_pin_that_was_written_into_the_file_is_not_repeated() {
    for (from, to) in [
        ("[[token]]", "[[token]]\npin = \"731946\""),
        ("[[token]]", "pin = \"731946\"\n[[token]]"),
        ("config = \"/etc/chancery/tokens/main.toml\"", "config = 731946"),
        ("name = \"main\"", "name = \"main\"\nqueue = \"731946\""),
        ("name = \"main\"", "name = 731946 731946"),
    ] {
        let error = read(&LEAST.replace(from, to)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("731946"), "{error:?}");
        assert!(error.to_string().contains("line "), "{error}");
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_their_field() {
    for (from, to, field) in [
        ("config = \"/etc/chancery/tokens/main.toml\"", "", "token.config"),
        ("name = \"main\"", "name = \"main\"\nsocket = \"/run/a.sock\"", "token.config"),
        ("name = \"main\"", "name = \"Main\"", "token.name"),
        ("[[token]]", "[[token]]\nname = \"main\"\nsocket = \"/run/a.sock\"\n[[token]]", "token.name"),
        ("config = \"/etc/chancery/tokens/main.toml\"", "config = []", "token.config"),
        ("[[token]]", "[token]", "[token]"),
        ("[[token]]", "[crl]\nperiod = \"30\"\n[[token]]", "crl.period"),
        ("[[token]]", "[crl]\nvalidity = \"90m\"\n[[token]]", "crl.validity"),
        ("[[token]]", "[public]\nurl = \"https://pki.example.com\"\n[[token]]", "public.url"),
        ("[[token]]", "[storage]\ncache_mib = 0\n[[token]]", "storage.cache_mib"),
        ("[[token]]", "[storage]\nreserve_mib = 3\n[[token]]", "storage.reserve_mib"),
    ] {
        let error = read(&LEAST.replace(from, to)).unwrap_err();
        assert!(matches!(&error, ConfigError::Value { field: found, .. } if *found == field), "{to}: {error}");
    }
}

#[test]
fn equal_tokens_are_listed() {
    let one = read(LEAST).unwrap();
    let paths = |config: &Config| config.token.iter().map(|token| token.places().len()).collect::<Vec<_>>();
    assert_eq!(paths(&one), [1]);
    let more = "socket = [\"/run/a.sock\", \"/run/b.sock\"]\n[[token]]\nname = \"root\"\nconfig = \"/etc/root.toml\"";
    assert_eq!(paths(&read(&LEAST.replace("config = \"/etc/chancery/tokens/main.toml\"", more)).unwrap()), [2, 1]);
}
