//! What answers a server that asks by http-01 whose a name is (RFC 8555, 8.3): at once, from memory.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::client::Answers;

/// Serves as long as the runtime is there.
pub async fn start(answers: Answers) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:80").await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answers.clone()));
        }
    });
    Ok(())
}

async fn serve(mut stream: TcpStream, answers: Answers) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = vec![0; 8 << 10];
    let mut filled = 0;
    loop {
        filled += stream.read(buffer.get_mut(filled..)?).await.ok().filter(|read| *read > 0)?;
        if !buffer.get(..filled)?.ends_with(b"\r\n\r\n") {
            continue;
        }
        let path = std::str::from_utf8(buffer.get(..filled)?).ok()?.split_whitespace().nth(1)?;
        let token = path.strip_prefix("/.well-known/acme-challenge/")?;
        let body = answers.lock().ok()?.remove(token)?;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        filled = 0;
    }
}
