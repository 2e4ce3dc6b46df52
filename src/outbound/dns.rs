//! Names to addresses, by the resolvers that are configured.
//!
//! The C library's resolver blocks a thread, and reads files and opens sockets in ways the sandbox refuses; that of the Hickory project binds
//! its sockets. So this asks by itself: one question in one datagram from a connected socket, whose port the kernel picks at random, and again
//! over TCP when the answer was cut off. Hickory's code reads and writes the messages.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// How long one resolver is waited for, before the next is asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often each of them is asked.
const ROUNDS: usize = 2;
/// RFC 1035, 4.2.1: the longest datagram of one who promises nothing more.
const LONGEST_DATAGRAM: usize = 512;
/// How many names an answer may lead through (CNAME).
const LONGEST_CHAIN: usize = 16;
/// More addresses of one name are not tried.
const MOST_ADDRESSES: usize = 16;

/// Why a name has no address.
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
    #[error("no resolver answered")]
    NoAnswer(#[source] io::Error),
    #[error("the resolver answered with {0}")]
    Refused(ResponseCode),
}

/// Asks these, the first that answers counts.
#[derive(Clone, Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
}

impl Resolver {
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// The addresses of a name, IPv6 first as RFC 6724 has it.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        // RFC 6761, 6.3: localhost is this machine and nobody is asked.
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        }
        if self.servers.is_empty() {
            return Err(ResolveError::NoResolver);
        }
        let mut name = Name::from_ascii(name).map_err(|_| ResolveError::Name)?;
        name.set_fqdn(true);
        let (six, four) = tokio::join!(self.ask(&name, RecordType::AAAA), self.ask(&name, RecordType::A));
        let (found, fault) = match (six, four) {
            (Ok(mut six), Ok(four)) => {
                six.extend(four);
                (six, None)
            }
            (Ok(found), Err(fault)) | (Err(fault), Ok(found)) => (found, Some(fault)),
            (Err(fault), Err(_)) => (Vec::new(), Some(fault)),
        };
        match (found.is_empty(), fault) {
            (false, _) => Ok(found),
            (true, Some(fault)) => Err(fault),
            (true, None) => Err(ResolveError::NoAddress),
        }
    }

    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, ResolveError> {
        let mut fault = io::Error::from(io::ErrorKind::TimedOut);
        for server in std::iter::repeat_n(&self.servers, ROUNDS).flatten() {
            match tokio::time::timeout(PATIENCE, exchange(*server, name, kind)).await {
                Ok(Ok(answer)) => match answer.metadata.response_code {
                    ResponseCode::NoError => return Ok(addresses(&answer, name, kind)),
                    ResponseCode::NXDomain => return Err(ResolveError::NoSuchName),
                    // Another one may know better.
                    ResponseCode::ServFail | ResponseCode::Refused => fault = io::Error::other("it refused or failed"),
                    other => return Err(ResolveError::Refused(other)),
                },
                Ok(Err(error)) => fault = error,
                Err(_) => fault = io::ErrorKind::TimedOut.into(),
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

/// One question and its answer.
async fn exchange(server: SocketAddr, name: &Name, kind: RecordType) -> io::Result<Message> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let bytes = question.to_vec().map_err(io::Error::other)?;
    let socket = connected(server)?;
    socket.send(&bytes).await?;
    let mut buffer = [0; LONGEST_DATAGRAM];
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

/// The message in these bytes, when it answers the question.
pub fn answer_to(question: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let is_it = answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        && answer.queries == question.queries;
    is_it.then_some(answer)
}

/// The addresses an answer gives to a name, by way of its aliases. Records of other names are not looked at.
pub fn addresses(answer: &Message, name: &Name, kind: RecordType) -> Vec<IpAddr> {
    let mut name = name.clone();
    for _ in 0..LONGEST_CHAIN {
        let of_name = || answer.answers.iter().filter(|record| record.name == name);
        let found: Vec<IpAddr> = of_name()
            .filter_map(|record| match (&record.data, kind) {
                (RData::A(address), RecordType::A) => Some(IpAddr::V4(address.0)),
                (RData::AAAA(address), RecordType::AAAA) => Some(IpAddr::V6(address.0)),
                _ => None,
            })
            .take(MOST_ADDRESSES)
            .collect();
        if !found.is_empty() {
            return found;
        }
        let alias = of_name().find_map(|record| match &record.data {
            RData::CNAME(alias) => Some(alias.0.clone()),
            _ => None,
        });
        match alias {
            Some(alias) => name = alias,
            None => return Vec::new(),
        }
    }
    Vec::new()
}
