use super::*;
use crate::x509::algorithm::KeyType;

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
        ("[[token]]", "[public]\nurl = \"http://\"\n[[token]]", "public.url"),
        ("[[token]]", "[public]\nurl = \"http://a b.example\"\n[[token]]", "public.url"),
        ("[[token]]", "[public]\nurl = \"http://pki.example.com/?x=1\"\n[[token]]", "public.url"),
        ("[[token]]", "[public]\nurl = \"http://user@pki.example.com\"\n[[token]]", "public.url"),
        ("[[token]]", "[public]\nurl = \"http://pki.example.com:0\"\n[[token]]", "public.url"),
        ("[[token]]", "[public]\nurl = \"http://pki.example.com/\u{e4}\"\n[[token]]", "public.url"),
        ("\"/var/lib/chancery\"", "\"var/lib/chancery\"", "data_dir"),
        ("\"/etc/chancery/tls.pem\"", "\"tls.pem\"", "tls.certificate"),
        ("\"/etc/chancery/tls.key\"", "\"../tls.key\"", "tls.key"),
        ("[tls]", "[tls]\nca = \"root\"", "tls.certificate"),
        ("[tls]", "[tls]\nkey_in_token = true", "tls.ca"),
        ("key = \"/etc/chancery/tls.key\"", "", "tls.certificate"),
        ("[[token]]", "[tls.clients]\n[[token]]", "tls.clients"),
        ("[[token]]", "[admin]\nsocket = \"admin.sock\"\n[[token]]", "admin.socket"),
        ("\"/etc/chancery/tokens/main.toml\"", "\"main.toml\"", "token.config"),
        ("[[token]]", "[limits.api]\nconnections = 0\n[[token]]", "limits.api.connections"),
        ("[[token]]", "[limits.public]\nconnections_per_address = 0\n[[token]]", "limits.public.connections_per_address"),
        ("[[token]]", "[limits.callers]\nper_second = 0\n[[token]]", "limits.callers.per_second"),
        ("[[token]]", "[limits.callers]\nsign_cost = 30000\n[[token]]", "limits.callers.burst"),
        ("[[token]]", "[limits.addresses]\nburst = 2000000\n[[token]]", "limits.addresses.burst"),
        ("[[token]]", "[limits.wrong_credentials]\nlongest_wait = \"2h\"\n[[token]]", "limits.wrong_credentials.longest_wait"),
        ("[[token]]", "[limits.wrong_credentials]\nlongest_wait = \"2\"\n[[token]]", "limits.wrong_credentials.longest_wait"),
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

const OWN: &str = "ca = \"Issuing\"\nnames = [\"pki.example.com\", \"10.0.0.7\"]";

fn own(more: &str) -> Result<Config, ConfigError> {
    let (files, rest) = LEAST.split_once("[[token]]").unwrap();
    let before = files.split_once("certificate").unwrap().0;
    read(&format!("{before}{more}\n[[token]]{rest}"))
}

#[test]
fn a_certificate_of_an_own_authority_needs_its_names_and_has_defaults() {
    let config = own(OWN).unwrap();
    let Source::OwnCa(wanted) = config.tls.source().unwrap() else { panic!("{config:?}") };
    assert_eq!((wanted.names.len(), wanted.validity, wanted.key_type, wanted.key_in_token), (2, Span::days(30), KeyType::P256, false));
    for (more, field) in [
        ("ca = \"Issuing\"".to_owned(), "tls.names"),
        (format!("{OWN}\nvalidity = \"30s\""), "tls.validity"),
        (format!("{OWN}\nvalidity = \"400d\""), "tls.validity"),
        (format!("{OWN}\nkey_type = \"dsa\""), "tls.key_type"),
        ("ca = \"Issuing\"\nnames = [\"a b\"]".to_owned(), "tls.names"),
        (format!("{OWN}\nkey = \"/etc/tls.key\""), "tls.certificate"),
    ] {
        let error = own(&more).unwrap_err();
        assert!(matches!(&error, ConfigError::Value { field: found, .. } if *found == field), "{more}: {error}");
    }
}

#[test]
fn a_limit_that_is_given_leaves_the_others_as_they_are() {
    let limits = |more: &str| read(&LEAST.replace("[[token]]", &format!("{more}\n[[token]]"))).unwrap().limits;
    let given = limits("[limits.admin]\nconnections = 9\n[limits.callers]\nsign_cost = 50");
    assert_eq!((given.admin_caps().connections, given.admin_caps().per_source), (9, limits("").admin_caps().per_source));
    assert_eq!(given.api_caps(), limits("").api_caps());
    let paced = limits("[limits.handshakes]\nburst_per_address = 7").pace();
    assert_eq!((paced.all, paced.source.burst), (limits("").pace().all, 7));
    let (given, own) = (given.rates().unwrap(), limits("").rates().unwrap());
    assert_eq!((given.sign_cost, given.read_cost, given.callers, given.guesses), (50, own.read_cost, own.callers, own.guesses));
}

#[test]
fn urls_for_relying_parties_may_have_a_port_a_path_and_an_address() {
    for url in ["http://pki.example.com", "http://pki.example.com:8080/pki", "http://10.0.0.7/a", "http://[2001:db8::7]:80"] {
        read(&LEAST.replace("[[token]]", &format!("[public]\nurl = \"{url}\"\n[[token]]"))).unwrap();
    }
}
