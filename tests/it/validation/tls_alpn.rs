//! tls-alpn-01, with servers and certificates of openssl.

use std::net::{Ipv4Addr, TcpStream};

use chancery::acme_server::ErrorType;
use chancery::acme_server::validation::Place;
use chancery::acme_server::validation::tls_alpn::CertificateFault;

use super::*;
use crate::name_server::{NameServer, own_address};

const KIND: ChallengeKind = ChallengeKind::TlsAlpn01;
/// SHA-256 of the key authorization.
const DIGEST_HEX: &str = "2CFB08C13A3BA3C0681B4FAF8C2C8640605649520FC48FA2FD7DF7E9E50E419A";

/// `openssl s_server` on port 443.
struct Server(Child);

impl Server {
    fn start(address: Ipv4Addr, dir: &Path, name: &str, arguments: &[&str]) -> Self {
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &format!("{address}:443"), "-cert"])
            .arg(dir.join(format!("{name}.pem")))
            .arg("-key")
            .arg(dir.join(format!("{name}.key")))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self::listening(process.unwrap(), address)
    }

    fn listening(process: Child, address: Ipv4Addr) -> Self {
        let server = Self(process);
        let begun = Instant::now();
        while TcpStream::connect((address, 443)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "nobody listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn identifier(critical: &str, digest: &str) -> String {
    format!("1.3.6.1.5.5.7.1.31={critical}DER:0420{digest}")
}

/// Makes a certificate with these extensions.
fn challenge(dir: &Path, name: &str, san: &str, extension: Option<&str>) {
    let san = format!("subjectAltName={san}");
    let mut arguments = vec!["-subj", "/CN=ACME", "-addext", &san];
    if let Some(extension) = extension {
        arguments.extend(["-addext", extension]);
    }
    certificate(dir, name, &arguments);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_for_the_name_and_the_digest_is_wanted() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let right = identifier("critical,", DIGEST_HEX);
    challenge(dir, "good", "DNS:www.example", Some(&right));
    challenge(dir, "case", "DNS:WWW.Example", Some(&right));
    challenge(dir, "other", "DNS:www2.example", Some(&right));
    challenge(dir, "both", "DNS:www.example,DNS:www2.example", Some(&right));
    challenge(dir, "wild", "DNS:*.example", Some(&right));
    challenge(dir, "mail", "DNS:www.example,email:a@www.example", Some(&right));
    challenge(dir, "plain", "DNS:www.example", None);
    challenge(dir, "lax", "DNS:www.example", Some(&identifier("", DIGEST_HEX)));
    challenge(dir, "wrong", "DNS:www.example", Some(&identifier("critical,", &DIGEST_HEX.replace("2CFB", "2CFC"))));
    challenge(dir, "short", "DNS:www.example", Some("1.3.6.1.5.5.7.1.31=critical,DER:0402AABB"));
    certificate(dir, "nameless", &["-subj", "/CN=www.example", "-addext", &right]);
    // Signed by another key than its own.
    certificate(dir, "ca", &["-subj", "/CN=ACME"]);
    let script = format!(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ACME -keyout signed.key -out signed.csr && \
         printf '%s\\n' 'subjectAltName=DNS:www.example' '{right}' > signed.ext && \
         openssl x509 -req -in signed.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile signed.ext -out signed.pem"
    );
    assert!(Command::new("sh").args(["-c", &script]).current_dir(dir).output().unwrap().status.success());
    let web = own_address();
    let names = NameServer::start(&[("example", &format!("www A {web}\n"))]);
    let validator = validator(names.address, once());
    let at = || "www.example".to_owned();
    let wrong = |fault| Err(ValidationFault::WrongCertificate { at: at(), fault });
    for (name, wanted) in [
        ("good", Ok(())),
        ("case", Ok(())),
        ("other", wrong(CertificateFault::Names)),
        ("both", wrong(CertificateFault::Names)),
        ("wild", wrong(CertificateFault::Names)),
        ("mail", wrong(CertificateFault::Names)),
        ("nameless", wrong(CertificateFault::Names)),
        ("plain", wrong(CertificateFault::NoIdentifier)),
        ("lax", wrong(CertificateFault::NotCritical)),
        ("wrong", wrong(CertificateFault::WrongDigest)),
        ("short", wrong(CertificateFault::WrongDigest)),
        ("signed", wrong(CertificateFault::NotSelfSigned)),
    ] {
        let server = Server::start(web, dir, name, &["-alpn", "acme-tls/1"]);
        assert_eq!(validate(&validator, KIND, &host("www.example")).await, wanted, "{name}");
        drop(server);
    }
    // TLS 1.2 is enough, and one who speaks no ALPN, or another protocol only, has not agreed.
    let server = Server::start(web, dir, "good", &["-alpn", "acme-tls/1", "-tls1_2"]);
    assert_eq!(validate(&validator, KIND, &host("www.example")).await, Ok(()));
    drop(server);
    let server = Server::start(web, dir, "good", &[]);
    assert_eq!(validate(&validator, KIND, &host("www.example")).await, Err(ValidationFault::NoProtocol(at())));
    drop(server);
    let server = Server::start(web, dir, "good", &["-alpn", "http/1.1"]);
    let fault = validate(&validator, KIND, &host("www.example")).await.unwrap_err();
    assert_eq!(fault, ValidationFault::Tls { at: Place::Asked(at()) });
    assert_eq!(fault.problem(), ErrorType::Tls);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_asked_for_by_its_name_in_reverse() {
    let dir = TempDir::new().unwrap();
    let (web, web2) = (own_address(), own_address());
    let right = identifier("critical,", DIGEST_HEX);
    challenge(dir.path(), "good", &format!("IP:{web}"), Some(&right));
    let [a, b, c, d] = web.octets();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/validation/alpn.py");
    let arguments = [dir.path().join("good.pem").display().to_string(), dir.path().join("good.key").display().to_string()];
    let mut process = Command::new("python3");
    process.arg(script).args(arguments).args([web.to_string(), format!("{d}.{c}.{b}.{a}.in-addr.arpa")]);
    let _server = Server::listening(process.spawn().unwrap(), web);
    // Nobody is asked about an address.
    let validator = validator(SocketAddr::from((web2, 5300)), once());
    assert_eq!(validate(&validator, KIND, &Identifier::Ip(web.into())).await, Ok(()));
    challenge(dir.path(), "other", &format!("IP:{web}"), Some(&right));
    let _server = Server::start(web2, dir.path(), "other", &["-alpn", "acme-tls/1"]);
    let wanted = Err(ValidationFault::WrongCertificate { at: web2.to_string(), fault: CertificateFault::Names });
    assert_eq!(validate(&validator, KIND, &Identifier::Ip(web2.into())).await, wanted);
}
