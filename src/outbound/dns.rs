//! Questions to the resolvers that are configured: addresses of names, texts and CAA records.
//!
//! The C library's resolver blocks a thread, and reads files and opens sockets in ways the sandbox refuses; that of the Hickory project binds
//! its sockets. So this asks by itself: one question in one datagram from a connected socket, whose port the kernel picks at random, and again
//! over TCP when the answer was cut off. Hickory's code reads and writes the messages.
//!
//! Nothing is kept: every question is asked anew. An alias that leads to a name whose records the answer does not hold is asked for by itself,
//! of the resolvers of the zone it lies in.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::answer::{self, CaaProperty, LONGEST_CHAIN, answer_to, follow};

/// How long one resolver is waited for, before the next is asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// RFC 6891, 6.2.5, and what DNS Flag Day 2020 made of it: the longest datagram that no network has to cut up.
const LONGEST_DATAGRAM: u16 = 1_232;

/// Why DNS does not say what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("the name is no DNS name")]
    Name,
    #[error("no resolver is configured, and /etc/resolv.conf names none")]
    NoResolver,
    #[error("there is no such name")]
    NoSuchName,
    #[error("the name has no address")]
    NoAddress,
    #[error("more than {LONGEST_CHAIN} aliases follow one another")]
    Aliases,
    #[error("no resolver answered")]
    NoAnswer(#[source] io::Error),
    #[error("the resolver answered with {0}")]
    Refused(ResponseCode),
}

/// A zone that has resolvers of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// In ASCII, without a dot at its end.
    pub name: String,
    pub resolvers: Vec<SocketAddr>,
}

/// Asks these, the first that answers counts.
#[derive(Clone, Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    /// The longest name first.
    zones: Vec<(Name, Vec<SocketAddr>)>,
}

impl Resolver {
    /// One that asks the servers of the smallest zone a name lies in, and these when it lies in none.
    pub fn new(servers: Vec<SocketAddr>, zones: Vec<Zone>) -> Result<Self, ResolveError> {
        let zones = zones.into_iter().map(|zone| Ok((absolute(&zone.name)?, zone.resolvers)));
        let mut zones = zones.collect::<Result<Vec<_>, ResolveError>>()?;
        zones.sort_by_key(|(name, _)| std::cmp::Reverse(name.num_labels()));
        Ok(Self { servers, zones })
    }

    /// The addresses of a name, IPv6 first as RFC 6724 has it.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        // RFC 6761, 6.3: localhost is this machine and nobody is asked.
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        }
        let (six, four) = tokio::join!(self.records(name, RecordType::AAAA), self.records(name, RecordType::A));
        let (found, fault) = match (six, four) {
            (Ok(mut six), Ok(four)) => {
                six.extend(four);
                (six, None)
            }
            (Ok(found), Err(fault)) | (Err(fault), Ok(found)) => (found, Some(fault)),
            (Err(fault), Err(_)) => (Vec::new(), Some(fault)),
        };
        let found = answer::addresses(&found);
        match (found.is_empty(), fault) {
            (false, _) => Ok(found),
            (true, Some(fault)) => Err(fault),
            (true, None) => Err(ResolveError::NoAddress),
        }
    }

    /// The texts of a name; none when it has none.
    pub async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, ResolveError> {
        Ok(answer::texts(&self.records(name, RecordType::TXT).await?))
    }

    /// The CAA properties of a name itself; none when it has none.
    pub async fn properties(&self, name: &str) -> Result<Vec<CaaProperty>, ResolveError> {
        Ok(answer::properties(&self.records(name, RecordType::CAA).await?))
    }

    /// The records of one kind that a name has, by way of its aliases.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, ResolveError> {
        let mut name = absolute(name)?;
        let mut aliases_left = LONGEST_CHAIN;
        loop {
            let answer = self.ask(&name, kind).await?;
            let followed = follow(&answer, &name, kind, aliases_left);
            // A resolver that knows one zone only leaves an alias into another to be asked for.
            if !followed.records.is_empty() || followed.aliases == 0 {
                return Ok(followed.records.into_iter().cloned().collect());
            }
            name = followed.name;
            aliases_left = aliases_left.checked_sub(followed.aliases).filter(|left| *left > 0).ok_or(ResolveError::Aliases)?;
        }
    }

    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Message, ResolveError> {
        let servers = self.zones.iter().find(|(zone, _)| zone.zone_of(name)).map_or(&self.servers, |(_, servers)| servers);
        if servers.is_empty() {
            return Err(ResolveError::NoResolver);
        }
        let mut fault = io::Error::from(io::ErrorKind::TimedOut);
        // RFC 6891, 7: an old server that does not know the extension is asked in its own language the second time.
        for is_extended in [true, false] {
            for server in servers {
                match tokio::time::timeout(PATIENCE, exchange(*server, name, kind, is_extended)).await {
                    Ok(Ok(answer)) => match answer.metadata.response_code {
                        ResponseCode::NoError => return Ok(answer),
                        ResponseCode::NXDomain => return Err(ResolveError::NoSuchName),
                        // Another one may know better.
                        ResponseCode::ServFail | ResponseCode::Refused => fault = io::Error::other("it refused or failed"),
                        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS if is_extended => {
                            fault = io::Error::other("it did not understand the question");
                        }
                        other => return Err(ResolveError::Refused(other)),
                    },
                    Ok(Err(error)) => fault = error,
                    Err(_) => fault = io::ErrorKind::TimedOut.into(),
                }
            }
        }
        Err(ResolveError::NoAnswer(fault))
    }
}

/// The resolvers that a resolv.conf(5) names. What else stands there is not taken up: names are asked for as they are.
pub fn nameservers(resolv_conf: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    };
    resolv_conf.lines().filter_map(address).map(|address| SocketAddr::new(address, 53)).take(3).collect()
}

fn absolute(name: &str) -> Result<Name, ResolveError> {
    let mut name = Name::from_ascii(name).map_err(|_| ResolveError::Name)?;
    name.set_fqdn(true);
    Ok(name)
}

/// One question and its answer.
async fn exchange(server: SocketAddr, name: &Name, kind: RecordType, is_extended: bool) -> io::Result<Message> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    if is_extended {
        let mut edns = Edns::new();
        edns.set_max_payload(LONGEST_DATAGRAM);
        question.set_edns(edns);
    }
    let bytes = question.to_vec().map_err(io::Error::other)?;
    let socket = connected(server)?;
    socket.send(&bytes).await?;
    let mut buffer = [0; LONGEST_DATAGRAM as usize];
    let answer = loop {
        let length = socket.recv(&mut buffer).await?;
        // What is not the answer to this question is somebody's guess, and the right one may still come (RFC 5452, 9.1).
        if let Some(answer) = buffer.get(..length).and_then(|bytes| answer_to(&question, bytes)) {
            break answer;
        }
    };
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    // RFC 7766, 5: what was cut off is asked for again over TCP.
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[length.to_be_bytes().as_slice(), &bytes].concat()).await?;
    let mut long = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut long).await?;
    answer_to(&question, &long).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A connected datagram socket. `UdpSocket::bind` would bind it, which the sandbox refuses; the kernel picks the port all the same.
fn connected(server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    socket.connect(&server.into())?;
    UdpSocket::from_std(StdUdpSocket::from(socket))
}
